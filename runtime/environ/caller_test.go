package environ

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// origins evaluates in and returns "value (origin)" by name.
func origins(t *testing.T, in Inputs) (vars, left map[string]string) {
	t.Helper()
	e, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	list, outside, err := e.Explain(dirFiles{})
	if err != nil {
		t.Fatal(err)
	}
	vars, left = map[string]string{}, map[string]string{}
	for _, v := range list {
		vars[v.Name] = v.Value + " (" + v.Origin + ")"
	}
	for _, v := range outside {
		left[v.Name] = v.Origin
	}
	return vars, left
}

// TestOrigins: every variable has the rule that it follows from.
func TestOrigins(t *testing.T) {
	scripts := write(t, map[string]string{
		"10-docker2singularity.sh": "export PATH=/opt/bin IMAGE=1\n",
		"90-environment.sh":        "export IMAGE=2 FROM=${CALLER-unset}\n",
		"99-base.sh":               "export LD_LIBRARY_PATH=/.singularity.d/libs\n",
		"99-runtimevars.sh":        "export PATH\n",
	})
	vars, left := origins(t, Inputs{
		Caller: []string{"CALLER=c", "IMAGE=host", "PATH=/host", "APPTAINERENV_A=1", "SEALIFTENV_PREPEND_PATH=/pre", "SEALIFT_BIND=/x",
			"BASH_FUNC_f%%=() { :; }", "SECRET_KEY=s", "not an assignment"},
		Set: []string{"B=2", "APPEND_PATH=/post"}, Files: []File{{"vars", "C=3\nD=$CALLER\n"}}, Drop: []string{"SECRET_*"},
		Home: "/home/a", Dir: "/work", Scripts: scripts, Image: "/i.sif", Command: "exec", Prompt: "Sealift> ",
		LibsShown: true, Libraries: func() []string { return []string{"/lib"} },
	})
	for name, want := range map[string]string{
		"CALLER": "c (the caller)", "IMAGE": "2 (" + scripts[1] + ")", "FROM": "unset (" + scripts[1] + ")",
		"A": "1 (APPTAINERENV_A)", "B": "2 (--env)", "C": "3 (--env-file vars)", "D": "c (--env-file vars)",
		"PATH": "/pre:/opt/bin:" + defaultPath + ":/post (--env APPEND_PATH, SEALIFTENV_PREPEND_PATH)",
		"HOME": "/home/a (the home directory)", "PWD": "/work (the working directory)", "SEALIFT_NAME": "i.sif (Sealift)",
		"USER_PATH": "/host (the caller's PATH)", "PS1": "Sealift>  (the prompt)",
		"LD_LIBRARY_PATH": "/lib:/.singularity.d/libs (the image's directories of libraries)",
	} {
		if vars[name] != want {
			t.Errorf("%s: %q, want %q", name, vars[name], want)
		}
	}
	for name, want := range map[string]string{
		"PATH": "the container has its own", "SEALIFT_BIND": "a setting of Sealift", "SECRET_KEY": "--no-env SECRET_*",
		"BASH_FUNC_f%%": "not a name in sh", "not an assignment": "not a name in sh", "SEALIFTENV_PREPEND_PATH": "a setting of Sealift",
	} {
		if left[name] != want {
			t.Errorf("left out %s: %q, want %q", name, left[name], want)
		}
	}
}

// TestExplainWithoutShell: scripts that cannot run here leave what is known.
func TestExplainWithoutShell(t *testing.T) {
	e, err := New(inputs(write(t, complex["function"])))
	if err != nil {
		t.Fatal(err)
	}
	vars, _, err := e.Explain(dirFiles{})
	if err == nil || len(e.Scripts()) != 1 {
		t.Fatal(err, e.Scripts())
	}
	for _, want := range []Variable{{"FOO", "host", "the caller"}, {"HOME", "/home/alice", "the home directory"}} {
		if !slices.Contains(vars, want) {
			t.Errorf("no %v in %v", want, vars)
		}
	}
}

// TestKept: --cleanenv keeps what ranks need to find each other and their GPUs.
func TestKept(t *testing.T) {
	in := Inputs{Clean: true, Home: "/", Dir: "/", Keep: []string{"MY_*", "LANG"}, Drop: []string{"SLURM_CONF", "MY_SECRET"}}
	kept := []string{
		"TERM", "http_proxy", "ALL_PROXY", "SLURM_JOB_ID", "SLURMD_NODENAME", "PMI_RANK", "PMI2_X", "PMIX_RANK", "PMI", "PMIXX",
		"OMPI_COMM_WORLD_RANK", "PALS_RANKID", "FLUX_JOB_ID", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
		"HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK", "MPI_LOCALRANKID", "MY_VALUE", "LANG",
	}
	gone := []string{"FOO", "SLURP", "PM", "LC_ALL", "LD_PRELOAD", "XSLURM_X", "SLURM_CONF", "MY_SECRET", "PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES_X"}
	for _, name := range slices.Concat(kept, gone) {
		in.Caller = append(in.Caller, name+"=host")
	}
	vars, left := origins(t, in)
	for _, name := range kept {
		if !strings.HasPrefix(vars[name], "host (the caller; ") {
			t.Errorf("%s: %q", name, vars[name])
		}
	}
	for _, name := range gone {
		if strings.HasPrefix(vars[name], "host") || left[name] == "" {
			t.Errorf("%s: %q, %q", name, vars[name], left[name])
		}
	}
	if vars["MY_VALUE"] != "host (the caller; --env-keep MY_*)" || left["FOO"] != "--cleanenv" || left["MY_SECRET"] != "--no-env MY_SECRET" {
		t.Error(vars["MY_VALUE"], left["FOO"], left["MY_SECRET"])
	}
	if in.Keep = nil; true {
		if vars, _ := origins(t, in); vars["LANG"] != "C (--cleanenv)" {
			t.Error(vars["LANG"])
		}
	}
}

// TestPrecedence: what is said closer to the command counts.
func TestPrecedence(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Caller: []string{"A=caller", "A=twice"}}
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() {}, "twice (the caller)"},
		{func() { in.Scripts = write(t, map[string]string{"90-environment.sh": "export A=image\n"}) }, "image"},
		{func() { in.Caller = append(in.Caller, "SINGULARITYENV_A=1") }, "1 (SINGULARITYENV_A)"},
		{func() { in.Caller = slices.Insert(in.Caller, 0, "APPTAINERENV_A=2") }, "2 (APPTAINERENV_A)"},
		{func() { in.Caller = slices.Insert(in.Caller, 0, "SEALIFTENV_A=3") }, "3 (SEALIFTENV_A)"},
		{func() { in.Files = append(in.Files, File{"one", "A=4\n"}) }, "4 (--env-file one)"},
		{func() { in.Files = append(in.Files, File{"two", "A=5\n"}) }, "5 (--env-file two)"},
		{func() { in.Set = append(in.Set, "A=6") }, "6 (--env)"},
		{func() { in.Set = append(in.Set, "A=7") }, "7 (--env)"},
	} {
		step.change()
		if vars, _ := origins(t, in); !strings.HasPrefix(vars["A"], step.want) {
			t.Errorf("%q, want %q", vars["A"], step.want)
		}
	}
}

// TestFixed: who the payload is and where it runs follows from other options;
// settings of nested containers can be given.
func TestFixed(t *testing.T) {
	in := Inputs{Home: "/home/a", Dir: "/", Image: "/i.sif", Command: "exec", Binds: []string{"/b"}}
	for _, name := range []string{"HOME", "UID", "GID", "EUID", "PWD", "IFS", "APPTAINER_NAME", "SINGULARITY_CONTAINER", "SEALIFT_COMMAND"} {
		in.Set = append(in.Set, name+"=forged")
	}
	in.Set = append(in.Set, "APPTAINER_CACHEDIR=/cache", "SINGULARITY_BIND=/c", "APPTAINER_ENVIRONMENT=/e")
	e, err := New(in)
	if err != nil || len(e.Notes()) != 9 {
		t.Fatal(err, e.Notes())
	}
	env, err := e.Evaluate(dirFiles{})
	if err != nil || slices.ContainsFunc(env, func(kv string) bool { return strings.HasSuffix(kv, "=forged") }) {
		t.Errorf("%q, %v", env, err)
	}
	for _, want := range []string{"APPTAINER_CACHEDIR=/cache", "SINGULARITY_BIND=/c", "APPTAINER_BIND=/b", "APPTAINER_ENVIRONMENT=/e",
		"SEALIFT_ENVIRONMENT=/.singularity.d/env/91-environment.sh", "HOME=/home/a"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
}

// TestRivals: variables of the caller that contradict each other are told of.
func TestRivals(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Set: []string{"B=flag", "C=3"}, Caller: []string{
		"SINGULARITYENV_A=1", "APPTAINERENV_A=2", "SINGULARITYENV_B=1", "APPTAINERENV_B=1", "SEALIFTENV_C=1", "SINGULARITYENV_D=1",
		"SINGULARITYENV_PREPEND_PATH=/a", "SEALIFTENV_PREPEND_PATH=/b",
	}}
	e, err := New(in)
	want := []string{
		"SINGULARITYENV_A and APPTAINERENV_A have different values: that of APPTAINERENV_A counts",
		"SINGULARITYENV_PREPEND_PATH and SEALIFTENV_PREPEND_PATH have different values: that of SEALIFTENV_PREPEND_PATH counts",
	}
	if err != nil || !slices.Equal(e.Notes(), want) {
		t.Errorf("%v, %q", err, e.Notes())
	}
}

// TestFiles: files of assignments may set what shells would not let them; such
// variables stay outside.
func TestFiles(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Image: "/i.sif", Caller: []string{"FOO=host"}, Files: []File{{"f",
		"PWD=/x\nUID=3\nexport A=1\nB='$A'\nC=\"$A $FOO\"\nD=$APPTAINER_IMAGE\n# comment\nE=a\\\nb\nOPTIND=1\n"}}}
	vars, _ := origins(t, in)
	for name, want := range map[string]string{"A": "1", "B": "$A", "C": "1 host", "D": "/i.sif", "E": "ab", "PWD": "/", "UID": "", "OPTIND": ""} {
		if value, _, _ := strings.Cut(vars[name], " ("); value != want {
			t.Errorf("%s: %q, want %q", name, vars[name], want)
		}
	}
}

// TestRunscripts: those of the peers are kept from evaluating arguments.
func TestRunscripts(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Exact: true, UserShell: "/bin/sh", Caller: []string{"SHELL=/bin/zsh"}}
	vars, _ := origins(t, in)
	if vars["SINGULARITY_NO_EVAL"] != "1 (Sealift)" || vars["SEALIFT_NO_EVAL"] != "" || vars["SHELL"] != "/bin/sh (the shell)" {
		t.Errorf("%q", vars)
	}
	in.NoEval = true
	if vars, _ := origins(t, in); vars["SEALIFT_NO_EVAL"] != "1 (Sealift)" {
		t.Errorf("%q", vars)
	}
}

// TestExtension: paths are extended after 99-runtimevars.sh, so that scripts
// with later names have the last word.
func TestExtension(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Set: []string{"PREPEND_PATH=/p", "APPEND_PATH="}}
	in.Scripts = write(t, map[string]string{"90-environment.sh": "PATH=/own\n", "99-runtimevars.sh": "export PATH\n", "99-z.sh": "PATH=/z:$PATH\n"})
	if vars, _ := origins(t, in); vars["PATH"] != "/z:/p:/own ("+in.Scripts[2]+")" {
		t.Error(vars["PATH"])
	}
	in.Scripts = write(t, map[string]string{"90-environment.sh": "PATH=/own\n", "99-z.sh": "PATH=/z:$PATH\n"})
	if vars, _ := origins(t, in); vars["PATH"] != "/p:/z:/own (--env PREPEND_PATH)" {
		t.Error(vars["PATH"])
	}
}

// TestPrompt: an image's own prompt stays, those of the peers' scripts give way.
func TestPrompt(t *testing.T) {
	for ps1, want := range map[string]string{"": "Sealift> ", "Apptainer> ": "Sealift> ", "Singularity> ": "Sealift> ", "own$ ": "own$ "} {
		in := Inputs{Home: "/", Dir: "/", Prompt: "Sealift> ", Scripts: write(t, map[string]string{"99-base.sh": "export PS1='" + ps1 + "'\n"})}
		vars, _ := origins(t, in)
		if !strings.HasPrefix(vars["PS1"], want) || vars["PROMPT_COMMAND"] != promptCommand+" (the prompt)" || !strings.HasPrefix(vars["SEALIFT_PROMPT"], want) {
			t.Errorf("%q: %q", ps1, vars)
		}
		in.Set = []string{"PS1=mine> "}
		if vars, _ := origins(t, in); !strings.HasPrefix(vars["PS1"], "mine> ") {
			t.Errorf("%q: %q", ps1, vars["PS1"])
		}
		in.Caller, in.Set, in.Prompt = []string{"PROMPT_COMMAND=date"}, nil, ""
		if vars, _ := origins(t, in); vars["PROMPT_COMMAND"] != "date (the caller)" || vars["SEALIFT_PROMPT"] != "" {
			t.Errorf("nobody is there: %q", vars)
		}
	}
}

// TestOldImage: images of old have one script, and need a PATH after it.
func TestOldImage(t *testing.T) {
	if !setsImagePath(OldScript) || setsImagePath("/x/environment") || setsImagePath("/.singularity.d/env/90-environment.sh") {
		t.Error("the PATH is completed at the wrong place")
	}
}

// TestManyVariables (T96): two megabytes of variables take no noticeable time.
func TestManyVariables(t *testing.T) {
	in := Inputs{Home: "/", Dir: "/", Clean: true}
	for i := range 60_000 {
		in.Caller = append(in.Caller, fmt.Sprintf("V%d=%d", i, i), fmt.Sprintf("SINGULARITYENV_I%d=%d", i, i))
	}
	start := time.Now()
	e, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	if env, err := e.Evaluate(dirFiles{}); err != nil || !slices.Contains(env, "I59999=59999") {
		t.Error(len(env), err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
