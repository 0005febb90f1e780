package fromdef

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/definition"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func parse(t *testing.T, name, text string) *definition.Recipe {
	t.Helper()
	r, err := definition.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestComputeGolden(t *testing.T) {
	host := build.Host{Arch: "amd64", Dir: "/home/user", Version: "1"}
	for _, c := range []struct {
		golden, def string
		options     build.Options
	}{
		{"plain", "plain", build.Options{Output: "out.sif"}},
		{"whole", "whole", build.Options{Output: "/tmp/out.sif"}},
		{"whole-notest-sandbox", "whole", build.Options{Output: "out", Sandbox: true, NoTest: true, Arguments: map[string]string{"TAG": "v2"}}},
		{"scratch", "scratch", build.Options{Output: "out.sif"}},
		{"apps", "apps", build.Options{Output: "out.sif"}},
	} {
		t.Run(c.golden, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + c.def + ".def")
			if err != nil {
				t.Fatal(err)
			}
			steps, err := Compute(parse(t, c.def, string(text)), host, c.options)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, s := range steps {
				got.WriteString(s.String() + "\n")
			}
			golden := filepath.Join("testdata", c.golden+".steps")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func TestComputeErrors(t *testing.T) {
	const scratch = "Bootstrap: scratch\n"
	for _, c := range []struct{ name, text, want, hint string }{
		{"later agent", "\nBootstrap: Shub\nFrom: x\n", `x.def:2: agent "shub" is not supported yet`, "docker, docker-archive, docker-daemon, oci, oci-archive, oras, library, http, https, localimage, scratch"},
		{"unknown agent", "Bootstrap: dcoker\nFrom: x\n", `x.def:1:12: unknown agent "dcoker"`, "did you mean docker?"},
		{"no From", "Bootstrap: oci\n", "x.def:1:12: agent oci without the header From", "add a line"},
		{"bad reference", "Bootstrap: oci\nFrom: a:\n", `x.def:2: image reference "oci:a:" has an empty tag`, "remove the last colon"},
		{"bad name", "Bootstrap: docker\nFrom: UPPER\n", `x.def:2: "//UPPER" does not name`, "write [HOST"},
		{"fingerprints", "Bootstrap: localimage\nFrom: a\nFingerprints: B\n", "x.def:3: Fingerprints are not supported yet", "verify the base"},
		{"unknown stage", scratch + "%files from a\n b\n", `x.def:2: no earlier stage is named "a"`, ""},
		{"own stage", scratch + "Stage: a\n%files from a\n b\n", `x.def:3: no earlier stage is named "a"`, ""},
		{"stage outside", scratch + "Stage: ../x\n" + scratch + "%files from x\n b\n", `no earlier stage is named "x"`, ""},
		{"twice the same stage", scratch + "Stage: a\n" + scratch + "Stage: a\n", `x.def:3: second stage named "a"`, ""},
		{"bad files", scratch + "%files\n a b c\n", "x.def:3:6: 3 words", ""},
		{"bad script", scratch + "%post -c\n a\n", "x.def:2:7: -c without a shell", ""},
		{"bad runscript", scratch + "%runscript -c\n a\n", "x.def:2:12: -c without a shell", ""},
		{"bad application", scratch + "%apprun a/b\n", `x.def:2:9: application "a/b"`, "use letters"},
		{"bad application files", scratch + "%appfiles a\n a b c\n", "x.def:3:6: 3 words", ""},
		{"appinstall in no shell", scratch + "%appinstall a\n b\n%post\n#!/usr/bin/python3\n", "x.def:2: %appinstall runs in the interpreter of %post, and that is /usr/bin/python3", ""},
		{"undefined argument", scratch + "%post\n {{ A }}\n", "x.def:3:2: undefined argument {{ A }}", "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compute(parse(t, "x.def", c.text), build.Host{Dir: "/"}, build.Options{Output: "out"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
				t.Fatalf("error %v, hint %q; want %s", err, hint.Of(err), c.want)
			}
			var at *definition.Error
			if !errors.As(err, &at) {
				t.Errorf("%T is no *definition.Error", err)
			}
		})
	}
	if _, err := Compute(parse(t, "x", scratch), build.Host{}, build.Options{}); err == nil {
		t.Error("no output is accepted")
	}
	if _, err := Compute(parse(t, "x", scratch), build.Host{}, build.Options{Output: "o", Arguments: map[string]string{"A": "1"}}); err == nil {
		t.Error("an unused argument is accepted")
	}
}

// TestCommandLine: a script ends with the first command that fails, whether or
// not its first line names a shell.
func TestCommandLine(t *testing.T) {
	for text, want := range map[string]string{
		"%post\n a\n":                           "/bin/sh -ex",
		"%post -u\n a\n":                        "/bin/sh -ex -u",
		"%post\n#!/bin/bash\n a\n":              "/bin/bash -ex",
		"%post -u\n#!/bin/bash\n a\n":           "/bin/bash -ex -u",
		"%post\n#!/bin/sh -f\n a\n":             "/bin/sh -ex -f",
		"%post\n#!/bin/sh -\n a\n":              "/bin/sh -ex -",
		"%post\n#!/usr/bin/env bash\n a\n":      "/usr/bin/env bash -ex",
		"%post\n#!/usr/bin/env -S ksh -u\n a\n": "/usr/bin/env -S ksh -u -ex",
		"%post\n#!/usr/bin/python3\n a\n":       "/usr/bin/python3",
		"%post\n#!/usr/bin/fish\n a\n":          "/usr/bin/fish",
		"%post -c /bin/bash\n a\n":              "/bin/bash",
		"%post -c /bin/bash -e\n a\n":           "/bin/bash -e",
	} {
		r := parse(t, "x.def", "Bootstrap: scratch\n"+text)
		x, ok, err := r.Script(&r.Stages[0], "post")
		if err != nil || !ok {
			t.Fatal(text, ok, err)
		}
		if got := strings.Join(commandLine(x), " "); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestRecipeFor(t *testing.T) {
	for source, want := range map[string]string{
		"oci:dir:tag":          "Bootstrap: oci\nFrom: dir:tag\n",
		"docker-archive:/a.b":  "Bootstrap: docker-archive\nFrom: /a.b\n",
		"oci-archive:x y.tar":  "Bootstrap: oci-archive\nFrom: x y.tar\n",
		"a.sif":                "Bootstrap: localimage\nFrom: a.sif\n",
		"./docker:x":           "Bootstrap: localimage\nFrom: ./docker:x\n",
		"unknown:thing":        "Bootstrap: localimage\nFrom: unknown:thing\n",
		"/dir/with#hash/image": "Bootstrap: localimage\nFrom: /dir/with#hash/image\n",
	} {
		r, err := RecipeFor(source)
		if err != nil || r.Text != want {
			t.Errorf("%q: %v, %v", source, r, err)
		}
	}
	for source, want := range map[string]string{
		"shub://user:pw@host/x":    "build from shub://host/x: agent shub is not supported yet",
		"https://u:pw@h/x.sif":     "what may be a secret",
		"https://h/x.sif?token=pw": "what may be a secret",
		"shub:x":                   "agent shub is not supported yet",
		"a\nb":                     "build from",
		"a\n%post":                 "build from",
		"a #b":                     "cannot be written in a definition",
		`a\`:                       "build from",
		" a":                       "cannot be written in a definition",
		"":                         "build from",
	} {
		_, err := RecipeFor(source)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: error %v", source, err)
		}
	}
}
