package export

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

const (
	own        = "/.singularity.d/runscript.oci"
	action     = "/.singularity.d/actions/exec"
	oneOfOCI   = "#!/bin/sh\n# ENTRYPOINT and CMD of the OCI image.\nexec \"$@\"\n"
	apptainers = "#!/bin/sh\nOCI_ENTRYPOINT='\"/ep\"'\nOCI_CMD=''\n"
)

// TestStart is the table of what a container of an image runs.
func TestStart(t *testing.T) {
	const base = `{"Entrypoint":["/ep"],"Cmd":["a"],"Env":["A=1"],"User":"7","WorkingDir":"/w","Other":{"x":[1]}}`
	environment := map[string]string{"env/90-environment.sh": "# x\n\nexport A=1\n"}
	for _, c := range []struct {
		name, base string
		files      map[string]string // below /.singularity.d
		want       string            // entrypoint and command
	}{
		{"nothing", "", nil, "[] []"},
		{"a base", base, nil, "[/ep] [a]"},
		{"a base without start", `{"Env":null}`, map[string]string{"runscript": oneOfOCI}, "[] []"},
		{"the runscript of the base", base, map[string]string{"runscript": oneOfOCI, "actions/exec": ""}, "[/ep] [a]"},
		{"Apptainer's", base, map[string]string{"runscript": apptainers, "actions/exec": ""}, "[/ep] [a]"},
		{"a runscript of the base, which is unknown", "", map[string]string{"runscript": oneOfOCI}, "[" + own + "] []"},
		{"its own runscript", base, map[string]string{"runscript": "#!/bin/sh\n"}, "[" + own + "] []"},
		{"its own runscript, with actions", "", map[string]string{"runscript": "#!/bin/sh\n", "actions/exec": ""}, "[" + action + " " + own + "] []"},
		{"environment", base, with(environment, "actions/exec", ""), "[" + action + " /ep] [a]"},
		{"environment without actions", base, environment, "[/ep] [a]"},
		{"environment alone", "", with(environment, "actions/exec", ""), "[] []"},
		{"environment of the base", base, map[string]string{"actions/exec": "", "env/10-docker2singularity.sh": "export A=1\n", "env/99-base.sh": "B=1\n"}, "[/ep] [a]"},
		{"written before", `{"Entrypoint":["` + action + `","/ep"]}`, with(environment, "actions/exec", ""), "[" + action + " /ep] []"},
	} {
		i := image(below(c.files))
		if c.base != "" {
			i.Base = []byte(c.base)
		}
		var to memory
		_, err := i.Write(t.Context(), &to)
		must(t, err)
		var got struct {
			Config struct {
				Entrypoint, Cmd, Env []string
				User, WorkingDir     string
				Other                any
			}
		}
		must(t, json.Unmarshal(to.config.Bytes(), &got))
		if start := "[" + strings.Join(got.Config.Entrypoint, " ") + "] [" + strings.Join(got.Config.Cmd, " ") + "]"; start != c.want {
			t.Errorf("%s: %s, want %s", c.name, start, c.want)
		}
		if kept := got.Config; c.base == base && (kept.User != "7" || kept.WorkingDir != "/w" || kept.Env[0] != "A=1" || kept.Other == nil) {
			t.Errorf("%s: of the base there is %+v", c.name, kept)
		}
	}
}

func with(m map[string]string, name, text string) map[string]string {
	out := map[string]string{name: text}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func below(texts map[string]string) *tree.Node {
	all := map[string]string{}
	for name, text := range texts {
		all[metadata.Dir+"/"+name] = text
	}
	return files(all)
}

// TestConfig is all that a configuration says.
func TestConfig(t *testing.T) {
	i := image(below(map[string]string{"labels.json": `{"a":"file","b":"file"}`}))
	i.Base, i.Variant = []byte(`{"Labels":{"a":"base","c":"base"},"Cmd":[],"Volumes":{}}`), "v2"
	var to memory
	r, err := i.Write(t.Context(), &to)
	must(t, err)
	want := `{"created":"1970-01-01T00:16:40Z","architecture":"amd64","variant":"v2","os":"linux",` +
		`"config":{"Labels":{"a":"file","b":"file","c":"base"}},"rootfs":{"type":"layers","diff_ids":["` + r.DiffID + `"]},` +
		`"history":[{"created":"1970-01-01T00:16:40Z","created_by":"test"}]}`
	if got := to.config.String(); got != want {
		t.Errorf("configuration %s\nwant %s", got, want)
	}
	i.Root = below(map[string]string{"labels.json": "["})
	_, err = i.Write(t.Context(), &to)
	wantError(t, err, "/.singularity.d/labels.json", "")
}

// TestOwnRunscript: the layer gets a copy of the runscript that stays when an
// image made of it has a runscript that runs the ENTRYPOINT. The tree stays as
// it is.
func TestOwnRunscript(t *testing.T) {
	root := below(map[string]string{"runscript": "#!/bin/sh\necho own\n"})
	root.Entries[metadata.Dir].Entries["runscript"].Mode = tree.TypeRegular | 0o600
	name := "oci-archive:" + t.TempDir() + "/x"
	_, err := write(t, image(root), name, false)
	must(t, err)
	if got := root.Entries[metadata.Dir].Names(); !slices.Equal(got, []string{"runscript"}) {
		t.Errorf("the tree has %q", got)
	}
	img, merged := read(t, name)
	dir := merged.Entries[metadata.Dir].Entries
	copied := dir["runscript.oci"]
	if copied == nil || copied == dir["runscript"] || copied.Mode&0o111 == 0 || copied.Content != dir["runscript"].Content {
		t.Fatalf("copy %+v of %+v", copied, dir["runscript"])
	}
	// What a build makes of the image does not run itself.
	c := img.Config().Config
	made, err := metadata.Files{}.WithConfig(&metadata.Config{Entrypoint: c.Entrypoint, Cmd: c.Cmd})
	must(t, err)
	if text := made[metadata.Runscript]; !strings.Contains(text, own) || !made.RunsConfig() {
		t.Errorf("runscript %s", text)
	}
	if out, err := exec.Command("sh", "-n", "-c", made[metadata.Runscript]).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
