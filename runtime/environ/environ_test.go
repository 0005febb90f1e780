package environ

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/runtime/shell"
)

// dirFiles shows a directory of the host as the container.
type dirFiles struct{}

func (dirFiles) Stat(name string) (fs.FileMode, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

func (dirFiles) Read(name string) (string, error) {
	text, err := os.ReadFile(name)
	return string(text), err
}

// shells are those whose scripts images have: dash and busybox, and bash by
// the name sh.
func shells(t *testing.T) map[string][]string {
	found := map[string][]string{}
	for name, candidates := range map[string][][]string{
		"dash": {{"/bin/dash"}, {"/usr/bin/dash"}}, "bash": {{"/bin/bash", "--posix"}, {"/usr/bin/bash", "--posix"}},
		"busybox": {{"/bin/busybox", "sh"}, {"/usr/bin/busybox", "sh"}},
	} {
		for _, c := range candidates {
			if _, err := os.Stat(c[0]); err == nil {
				found[name] = c
			}
		}
		if found[name] == nil && os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
	}
	if len(found) == 0 {
		t.Skip("no shell is installed")
	}
	return found
}

// write puts scripts into a directory and returns their sorted paths.
func write(t *testing.T, scripts map[string]string) []string {
	dir := t.TempDir()
	var paths []string
	for name, text := range scripts {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// inContainer runs the generated script with a real shell and returns the
// environment that the payload sees.
func inContainer(t *testing.T, e *Environment, sh []string) []string {
	t.Helper()
	command, env := e.Script([]string{"/usr/bin/env", "-0"})
	if command[0] != "/bin/sh" {
		t.Fatalf("command %q", command)
	}
	cmd := exec.Command(sh[0], append(slices.Clone(sh[1:]), command[1:]...)...)
	cmd.Env, cmd.Dir = env, "/"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, stderr.String(), command[2])
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	// What bash adds for itself: it counts SHLVL even across exec.
	got = slices.DeleteFunc(got, func(s string) bool {
		return strings.HasPrefix(s, "_=") || strings.HasPrefix(s, "SHLVL=") || strings.HasPrefix(s, "OLDPWD=")
	})
	slices.Sort(got)
	return got
}

// inputs is a machine on which much is set.
func inputs(scripts []string) Inputs {
	return Inputs{
		Caller: []string{
			"FOO=host", "BAR=host value", "EMPTY=", "SHELL=/bin/zsh", "TERM=xterm", "PS1=host$ ", "HOSTNAME=node1",
			"QUOTES='\"\\$`", "LINES=1\n2\n", "PATH=/host/bin", "SEALIFTENV_A=$BASE/a", "APPTAINERENV_B=b\"q\"\\",
			"LD_LIBRARY_PATH=/host/lib",
		},
		Home: "/home/alice", Dir: "/", Scripts: scripts, Image: "/data/img.sif", Command: "exec", Binds: []string{"/a", "/b"},
	}
}

// simple scripts are evaluated in this process, and the same by a shell.
var simple = map[string]map[string]string{
	"none":  {},
	"plain": {"90-environment.sh": "export FOO=image\nBASE=/opt\n"},
	"docker": {"10-docker2singularity.sh": `export PATH="/usr/bin:/bin"
export LANG="${LANG:-"C.UTF-8"}"
export MSG="${MSG:-"a \"b\" \$c \\ d"}"
`},
	"base": {"99-base.sh": `if [ -z "$LD_LIBRARY_PATH" ]; then
    LD_LIBRARY_PATH="/.singularity.d/libs"
else
    LD_LIBRARY_PATH="$LD_LIBRARY_PATH:/.singularity.d/libs"
fi
PS1="Apptainer> "
export LD_LIBRARY_PATH PS1
`, "99-runtimevars.sh": `if [ -n "${SING_USER_DEFINED_PREPEND_PATH:-}" ]; then
	PATH="${SING_USER_DEFINED_PREPEND_PATH}:${PATH}"
fi
unset SING_USER_DEFINED_PREPEND_PATH
export PATH COPY="$A"
`},
	"peers": {"01-base.sh": "#!/bin/sh\n# nothing\n", "10-docker.sh": "#!/bin/sh\nexport PATH=\"/bin\"\n",
		"94-appsbase.sh": "", "95-apps.sh": `#!/bin/sh
if test -n "${SINGULARITY_APPNAME:-}"; then
    export SINGULARITY_APPNAME
    if test -d "/scif/apps/${SINGULARITY_APPNAME:-}/"; then
        . "/scif/apps/${SINGULARITY_APPNAME:-}/scif/env/90-environment.sh" "$@"
    else
        echo "there is no app ${SINGULARITY_APPNAME}"
        exit 1
    fi
fi
`, "99-base.sh": `#!/bin/sh
if [ -z "${LD_LIBRARY_PATH:-}" ]; then
    LD_LIBRARY_PATH="/.singularity.d/libs"
else
    LD_LIBRARY_PATH="$LD_LIBRARY_PATH:/.singularity.d/libs"
fi
if [ -z "${PS1:-}" ]; then
    PS1="Apptainer> "
fi
export LD_LIBRARY_PATH PS1
`, "99-runtimevars.sh": `#!/bin/sh
if [ -n "${SING_USER_DEFINED_PATH:-}" ]; then
	PATH="${SING_USER_DEFINED_PATH}"
fi
unset SING_USER_DEFINED_PREPEND_PATH \
	  SING_USER_DEFINED_APPEND_PATH \
	  SING_USER_DEFINED_PATH
export PATH
`},
	"later":     {"90-environment.sh": "X=1\n", "99-runtimevars.sh": "export R=1\n", "99-z.sh": "export PATH=/z:$PATH LATE=$A\n"},
	"prompt":    {"90-environment.sh": "export PS1='own> ' PROMPT_COMMAND=true\n", "99-base.sh": "export LD_LIBRARY_PATH=/.singularity.d/libs\n"},
	"no path":   {"10-docker2singularity.sh": "export A=1\nunset PATH\n"},
	"removes":   {"90-environment.sh": "export FOO=\nBAR=\nunset EMPTY\n"},
	"apps":      {"95-apps.sh": "if test -n \"${SING_APPNAME:-}\"; then\n  export SING_APPNAME\n  foo | bar\nfi\n"},
	"reads own": {"90-environment.sh": "export N=$SEALIFT_NAME H=$HOME D=$PWD\n"},
}

// complex scripts need a shell.
var complex = map[string]map[string]string{
	"substitution": {"90-environment.sh": "export FOO=$(echo image)\nBASE=/opt\n"},
	"function":     {"90-environment.sh": "add() { X=$X:$1; }\nadd 1; add 2\nexport X\n"},
	"arguments":    {"90-environment.sh": "set -- clobbered\nexport COUNT=$#\n"},
	"arguments are not the payload's": {
		"90-environment.sh": "export N=$# FIRST=${1-none}\n",
	},
	"options": {"90-environment.sh": "set -euf\nexport X=1\n"},
	"exports": {"90-environment.sh": "set -a\nX=1\n"},
	"fields":  {"90-environment.sh": "IFS=:\nexport X=1\n"},
	"arithmetic": {
		"90-environment.sh": "export X=$((2+3))\n", "99-runtimevars.sh": "export COPY=$A\n",
	},
}

func TestBothWaysAgree(t *testing.T) {
	for name, scripts := range simple {
		for _, change := range []func(*Inputs){
			func(*Inputs) {},
			func(in *Inputs) { in.NoEval = true },
			func(in *Inputs) { in.Clean = true; in.Prompt = "Sealift> " },
			func(in *Inputs) {
				in.Clean, in.Keep, in.Drop = true, []string{"FOO", "B?R"}, []string{"*_PROXY", "TE[RS]M"}
			},
			func(in *Inputs) {
				in.Prompt = "it's> "
				in.Caller = append(in.Caller, "PROMPT_COMMAND=history -a", "PREPEND_PATH=/no")
				in.Set = []string{"PS1=$HOME> ", "PREPEND_PATH=/p", "APPEND_PATH=/a"}
			},
			func(in *Inputs) {
				in.Libraries, in.LibsShown = func() []string { return []string{"/usr/local/lib", "/lib"} }, true
				in.Set = []string{"PREPEND_LD_LIBRARY_PATH=/p,APPEND_LD_LIBRARY_PATH=/a $x"}
			},
			func(in *Inputs) {
				in.Set = []string{"PREPEND_PATH=/p", "APPEND_PATH=/a", "PREPEND_LD_LIBRARY_PATH=/pl", "Q=a\"b\\", "LD_LIBRARY_PATH=/x"}
			},
			func(in *Inputs) { in.Set = []string{"PATH=/only", "NL=one\ntwo", "FOO="} },
		} {
			in := inputs(write(t, scripts))
			change(&in)
			e, err := New(in)
			if err != nil {
				t.Fatal(err)
			}
			want, err := e.Evaluate(dirFiles{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for sh, command := range shells(t) {
				if got := inContainer(t, e, command); !slices.Equal(got, want) {
					t.Errorf("%s, %s:\n%q\nhere:\n%q", name, sh, got, want)
				}
			}
		}
	}
}

func TestShellsAgree(t *testing.T) {
	for name, scripts := range complex {
		e, err := New(inputs(write(t, scripts)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Evaluate(dirFiles{}); !errors.Is(err, shell.ErrNeedsContainer) {
			t.Errorf("%s: Evaluate: %v", name, err)
		}
		var first []string
		for sh, command := range shells(t) {
			got := inContainer(t, e, command)
			if first == nil {
				first = got
			}
			if !slices.Equal(got, first) {
				t.Errorf("%s, %s:\n%q\nother:\n%q", name, sh, got, first)
			}
			for _, entry := range got {
				if strings.HasPrefix(entry, reserved) {
					t.Errorf("%s, %s: left over: %s", name, sh, entry)
				}
			}
			if !slices.Contains(got, "SHELL=/bin/zsh") || !slices.Contains(got, "BAR=host value") {
				t.Errorf("%s, %s: the caller's variables are lost: %q", name, sh, got)
			}
			if name == "arguments are not the payload's" && !slices.Contains(got, "N=0") {
				t.Errorf("%s, %s: the payload's arguments are visible: %q", name, sh, got)
			}
		}
	}
}

func TestCompleted(t *testing.T) {
	for list, want := range map[string]string{
		"": defaultPath, defaultPath: defaultPath, "/x:/bin": "/x:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin",
	} {
		if got := completed(list); got != want {
			t.Errorf("%q became %q, want %q", list, got, want)
		}
	}
}

// TestOver is the environment of builds.
func TestOver(t *testing.T) {
	env := []string{"PATH=/bin", "TERM=dumb", "A=outer", "bad", "1X=y"}
	e := Over(env, write(t, map[string]string{"90-environment.sh": "export A=image B=$TERM\n"}))
	want, err := e.Evaluate(dirFiles{})
	if err != nil || !slices.Equal(want, []string{"A=image", "B=dumb", "PATH=/bin", "TERM=dumb"}) {
		t.Fatalf("%q, %v", want, err)
	}
	for name, sh := range shells(t) {
		got := slices.DeleteFunc(inContainer(t, e, sh), func(s string) bool { return strings.HasPrefix(s, "PWD=") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestApplication: the image's scripts know the application that is chosen,
// and the payload does.
func TestApplication(t *testing.T) {
	in := inputs(write(t, map[string]string{"95-apps.sh": "export COPY=\"$SINGULARITY_APPNAME\"\n"}))
	in.App = "foo"
	e, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	want, err := e.Evaluate(dirFiles{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range []string{"COPY=foo", "SEALIFT_APPNAME=foo", "APPTAINER_APPNAME=foo", "SINGULARITY_APPNAME=foo"} {
		if !slices.Contains(want, kv) {
			t.Errorf("no %s in %q", kv, want)
		}
	}
	for sh, command := range shells(t) {
		if got := inContainer(t, e, command); !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nhere:\n%q", sh, got, want)
		}
	}
}
