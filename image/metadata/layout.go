package metadata

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// The texts that every image gets. They are plain POSIX shell, in most lines
// export alone, because Sealift evaluates them itself.
const (
	baseEnv = "#!/bin/sh\n# Nothing: the first place in the order of the environment scripts.\n"

	// libsEnv makes the libraries that are bound in at run time known.
	libsEnv = `#!/bin/sh
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
`
	// runtimeEnv gives the PATH that the user asked for the last word.
	runtimeEnv = `#!/bin/sh
export PATH="${SING_USER_DEFINED_PATH:-$PATH}"
export PATH="${SING_USER_DEFINED_PREPEND_PATH:+$SING_USER_DEFINED_PREPEND_PATH:}$PATH"
export PATH="$PATH${SING_USER_DEFINED_APPEND_PATH:+:$SING_USER_DEFINED_APPEND_PATH}"
unset SING_USER_DEFINED_PATH SING_USER_DEFINED_PREPEND_PATH SING_USER_DEFINED_APPEND_PATH
`
	// source is how an action script takes in the environment.
	source = `#!/bin/sh
for script in /.singularity.d/env/*.sh; do
    if [ -f "$script" ]; then
        . "$script"
    fi
done
`
)

// fixed are the files that are the same in every image, replaced in a base
// that has them. The actions serve runtimes that do not bring their own.
var fixed = map[string]string{
	"env/01-base.sh":        baseEnv,
	"env/99-base.sh":        libsEnv,
	"env/99-runtimevars.sh": runtimeEnv,
	"actions/exec":          source + "exec \"$@\"\n",
	"actions/shell":         source + "exec /bin/sh \"$@\"\n",
	"actions/run":           source + action(Runscript),
	"actions/start":         source + action(Startscript),
	"actions/test":          source + action(Test),
}

// action returns the end of an action script that runs a file of the image.
func action(name string) string {
	return "if [ -x /.singularity.d/" + name + " ]; then\n" +
		"    exec /.singularity.d/" + name + " \"$@\"\nfi\n" +
		"echo 'this image has no " + name + "' >&2\nexit 127\n"
}

// links are the symbolic links of the root directory.
var links = map[string]string{
	"singularity": Dir + "/" + Runscript,
	"environment": Dir + "/" + recipeEnvironment,
	".exec":       Dir + "/actions/exec",
	".run":        Dir + "/actions/run",
	".shell":      Dir + "/actions/shell",
	".test":       Dir + "/actions/test",
}

// dirs are directories that a container needs to start, made where nothing
// of the name exists; the order is parents first.
var dirs = []struct {
	name string
	perm uint32
}{
	{"dev", 0o755}, {"etc", 0o755}, {"home", 0o755}, {"proc", 0o755}, {"root", 0o700},
	{"sys", 0o755}, {"tmp", 0o1777}, {"var", 0o755}, {"var/tmp", 0o1777},
}

// Layout makes in root what every image has: the directories and empty files
// that are mounted over, the metadata directory, its fixed scripts and the
// symbolic links to it. time is the modification time in seconds.
func Layout(root *tree.Node, time int64) {
	for _, d := range dirs {
		addMissing(root, d.name, &tree.Node{Mode: tree.TypeDir | d.perm, ModTime: time, Entries: map[string]*tree.Node{}})
	}
	for _, name := range []string{"etc/hosts", "etc/resolv.conf"} {
		addMissing(root, name, &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: time})
	}
	meta := subdir(root, Dir, time)
	for _, name := range []string{"actions", envDir, "libs"} {
		subdir(meta, name, time)
	}
	Files(fixed).Put(root, time)
	for name, target := range links {
		if old := root.Entries[name]; old == nil || old.Type() == tree.TypeSymlink {
			root.Entries[name] = &tree.Node{Mode: tree.TypeSymlink | 0o777, ModTime: time, Target: target}
		}
	}
}

// Without returns the root directory without the metadata directory and the
// links to it. The tree itself is not changed.
func Without(root *tree.Node) *tree.Node {
	bare := *root
	bare.Entries = maps.Clone(root.Entries)
	maps.DeleteFunc(bare.Entries, func(name string, n *tree.Node) bool {
		target, ours := links[name]
		return name == Dir || ours && n.Type() == tree.TypeSymlink && n.Target == target
	})
	return &bare
}

// addMissing puts n at name, at most two levels deep, where nothing is and
// the parent is a directory.
func addMissing(root *tree.Node, name string, n *tree.Node) {
	parent, base := root, name
	if dir, rest, ok := strings.Cut(name, "/"); ok {
		parent, base = root.Entries[dir], rest
	}
	if parent != nil && parent.IsDir() && parent.Entries[base] == nil {
		parent.Entries[base] = n
	}
}

// subdir returns the directory of the given name, in place of anything else.
func subdir(parent *tree.Node, name string, time int64) *tree.Node {
	n := parent.Entries[name]
	if n == nil || !n.IsDir() {
		n = &tree.Node{Mode: tree.TypeDir | 0o755, ModTime: time, Entries: map[string]*tree.Node{}}
		parent.Entries[name] = n
	}
	return n
}

// data are the files that are not scripts.
var data = []string{Definition, LabelsFile, Help}

// Put writes the files into root below Dir, whose own parts are made real
// directories. Scripts get mode 0755, other files 0644; time is in seconds.
func (f Files) Put(root *tree.Node, time int64) {
	meta := subdir(root, Dir, time)
	for name, text := range f {
		dir, base := path.Split(name)
		parent := meta
		if dir != "" {
			parent = subdir(meta, path.Clean(dir), time)
		}
		mode := tree.TypeRegular | 0o755
		if slices.Contains(data, name) || path.Clean(dir) == historyDir {
			mode = tree.TypeRegular | 0o644
		}
		parent.Entries[base] = &tree.Node{Mode: mode, ModTime: time, Content: tree.Bytes(text)}
	}
}
