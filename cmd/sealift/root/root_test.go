package root

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestLaunched(t *testing.T) {
	p := &ui.Process{Name: "run-singularity", Args: []string{"image.sif", "-x"}}
	if err := launched(p); err != nil || p.Name != "sealift" || !slices.Equal(p.Args, []string{"run", "image.sif", "-x"}) {
		t.Errorf("%q %q", p.Name, p.Args)
	}
	p = &ui.Process{Name: "singularity", Args: []string{"version"}}
	if err := launched(p); err != nil || p.Name != "singularity" || len(p.Args) != 1 {
		t.Errorf("%q %q", p.Name, p.Args)
	}
}

func TestVerb(t *testing.T) {
	for want, args := range map[string][]string{"exec": {"-q", "--debug", "exec", "run"}, "": {"--version"}, "x": {"x"}} {
		if got := Verb(args); got != want {
			t.Errorf("%q: %q", args, got)
		}
	}
}

// TestTask: what Slurm's plugin says becomes the command line.
func TestTask(t *testing.T) {
	p := &ui.Process{Name: "sealift-task", Args: []string{"-c", "x y"}, Environ: []string{
		"A=1", "SEALIFT_TASK_IMAGE=a.sif", "SEALIFT_TASK_COMMAND=/spool/a,b/script", "SEALIFT_TASK_SCRIPT=/spool/a,b/script",
		"SEALIFT_TASK_MOUNTS=/a,/b:/c:ro", "SEALIFT_TASK_WORKDIR=/w", `SEALIFT_TASK_ARGS=--nv  --env 'A=x "y"'`, "SEALIFT_TASKS=2",
	}}
	want := []string{
		"exec", "--bind", "/a,/b:/c:ro", "--mount", `type=bind,"source=/spool/a,b/script","destination=/spool/a,b/script",ro`, "--cwd", "/w",
		"--nv", "--env", `A=x "y"`, "--", "a.sif", "/spool/a,b/script", "-c", "x y",
	}
	if err := launched(p); err != nil || p.Name != "sealift" || !slices.Equal(p.Args, want) || !slices.Equal(p.Environ, []string{"A=1", "SEALIFT_TASKS=2"}) {
		t.Errorf("%v %q %q", err, p.Args, p.Environ)
	}
	for variable, want := range map[string]string{"A=1": "is for Slurm", "SEALIFT_TASK_ARGS=--env 'A": "a quote is not closed", `SEALIFT_TASK_ARGS=a\`: "a quote is not closed"} {
		p := &ui.Process{Name: "sealift-task", Environ: []string{variable}}
		if strings.Contains(variable, "ARGS") {
			p.Environ = append(p.Environ, "SEALIFT_TASK_IMAGE=i", "SEALIFT_TASK_COMMAND=c")
		}
		if err := launched(p); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, " \t\n ": nil, "a b": {"a", "b"}, `'a b'"c d"`: {"a bc d"}, `a\ b`: {"a b"}, `"a\"b\c"`: {`a"b\c`}, `'a\'b`: {`a\b`}, `'' ""`: {"", ""}, `\"`: {`"`}, "ä 'ö'": {"ä", "ö"},
	} {
		if got, err := words(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v", text, got, err)
		}
	}
}
