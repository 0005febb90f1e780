package scif

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// The scripts are plain POSIX shell, in most lines export alone, as those of
// package metadata, because Sealift evaluates them itself.

// activate is env/95-apps.sh. The variable keeps the name that all peers read.
const activate = `#!/bin/sh
# Environment of the application that is run, if one is.
if [ -n "${SINGULARITY_APPNAME:-}" ]; then
    if [ ! -f "/scif/apps/$SINGULARITY_APPNAME/scif/env/01-base.sh" ]; then
        echo "this image has no application $SINGULARITY_APPNAME" >&2
        exit 1
    fi
    export SINGULARITY_APPNAME SCIF_APPS=/scif/apps
    export PATH="/scif/apps/$SINGULARITY_APPNAME/bin:/scif/apps/$SINGULARITY_APPNAME:$PATH"
    export LD_LIBRARY_PATH="/scif/apps/$SINGULARITY_APPNAME/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    . "/scif/apps/$SINGULARITY_APPNAME/scif/env/01-base.sh"
    if [ -f "/scif/apps/$SINGULARITY_APPNAME/scif/env/90-environment.sh" ]; then
        . "/scif/apps/$SINGULARITY_APPNAME/scif/env/90-environment.sh"
    fi
fi
`

// base is the env/01-base.sh of an application: where its parts are.
func base(app string) string {
	root, data := "/"+Dir(app), "/"+path.Join(dataDir, app)
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# Places of the application %s.\n", app)
	for _, v := range [][2]string{
		{"APPNAME", app}, {"APPROOT", root}, {"APPMETA", root + "/" + metaDir}, {"APPBIN", root + "/bin"}, {"APPLIB", root + "/lib"},
		{"DATA", "/" + dataDir}, {"APPDATA", data}, {"APPINPUT", data + "/input"}, {"APPOUTPUT", data + "/output"},
	} {
		fmt.Fprintf(&b, "export SCIF_%s=%s\n", v[0], quote(v[1]))
	}
	return b.String()
}

// exports is env/94-appsbase.sh: where the parts of every application in root
// are, those of the base too, by variables that end with its name.
func exports(root *tree.Node) (string, error) {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Places of the applications.\n")
	apps, err := root.Follow(AppsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return b.String(), nil
	}
	if err != nil {
		return "", err
	}
	for _, app := range apps.Names() {
		meta := Meta(app)
		if n, err := root.Follow(meta); err != nil || !n.IsDir() {
			continue
		}
		for _, v := range []struct{ name, value, needs string }{
			{"DATA", path.Join(dataDir, app), ""}, {"META", meta, ""}, {"ROOT", Dir(app), ""},
			{"BIN", path.Join(Dir(app), "bin"), ""}, {"LIB", path.Join(Dir(app), "lib"), ""},
			{"ENV", path.Join(meta, environmentScript), environmentScript},
			{"LABELS", path.Join(meta, metadata.LabelsFile), metadata.LabelsFile},
			{"RUN", path.Join(meta, metadata.Runscript), metadata.Runscript},
			{"START", path.Join(meta, metadata.Startscript), metadata.Startscript},
		} {
			if _, err := root.Follow(path.Join(meta, v.needs)); err == nil {
				fmt.Fprintf(&b, "export SCIF_APP%s_%s=%s\n", v.name, variable(app), quote("/"+v.value))
			}
		}
	}
	return b.String(), nil
}

// variable returns an application's name as a part of a variable's.
func variable(app string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			return c
		}
		return '_'
	}, app)
}

// quote returns s as one word of sh(1).
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
