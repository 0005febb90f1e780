package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/e2e/fixture/gpuspec"
)

// starter is one way to run /bin/true in the image.
type starter struct {
	name    string
	args    []string
	environ []string // variables more
}

// start times /bin/true in a busybox root, as a directory and as an image.
func start(_ context.Context, o options) error {
	work, err := os.MkdirTemp("", "sealift-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	as := syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		as.Credential = &syscall.Credential{Uid: o.uid, Gid: o.uid}
		if err := os.Chown(work, int(o.uid), int(o.uid)); err != nil {
			return err
		}
	}
	run := func(args []string) (outcome, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.SysProcAttr = work, &as
		cmd.Env = append(os.Environ(), "HOME="+work, "USER=bench")
		return execute(cmd)
	}
	list, err := starters(work, run)
	if err != nil {
		return err
	}
	rounds := o.rounds
	if rounds == 0 {
		rounds = 51
	}
	t := &report.Table{Title: "start-up of /bin/true", Unit: "milliseconds", Peers: []string{"bwrap, directory"}}
	once := func(s starter) error {
		got, err := run(s.args)
		t.Row(s.name).Add(got.Milliseconds())
		return err
	}
	if err := report.TakeTurns(3, list, once); err != nil { // to warm the caches
		return err
	}
	t.Rows = nil
	err = report.TakeTurns(rounds, list, once)
	if err == nil {
		err = o.book.Show(t)
	}
	return err
}

// starters makes the images and returns who takes part.
func starters(work string, run func([]string) (outcome, error)) ([]starter, error) {
	layout, err := fixture.Busybox(cache)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(filepath.Join(work, "layout"), os.DirFS(layout)); err != nil {
		return nil, err
	}
	for _, name := range []string{"sealift", "sealift-full", "sealift-starter"} {
		data, err := os.ReadFile(filepath.Join("bin", name))
		if err != nil {
			return nil, fmt.Errorf("%w (run make first)", err)
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o755); err != nil {
			return nil, err
		}
	}
	sealift, dir, sif := filepath.Join(work, "sealift"), filepath.Join(work, "root"), filepath.Join(work, "image.sif")
	for _, args := range [][]string{
		{sealift, "build", "--sandbox", dir, "oci:layout"}, {sealift, "build", sif, "oci:layout"},
	} {
		if _, err := run(args); err != nil {
			return nil, err
		}
	}
	if err := gpuspec.Write(filepath.Join(work, "cdi")); err != nil {
		return nil, err
	}
	list := []starter{
		{name: "bwrap, directory", args: []string{
			"bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", dir, "/", "--dev-bind", "/dev", "/dev",
			"--proc", "/proc", "--bind", "/tmp", "/tmp", "/bin/true",
		}},
		{name: "ch-run, directory", args: []string{"ch-run", dir, "--", "/bin/true"}},
		{name: "apptainer, directory", args: []string{"apptainer", "exec", dir, "/bin/true"}},
		{name: "apptainer, SIF", args: []string{"apptainer", "exec", sif, "/bin/true"}},
		{name: "sealift, directory", args: []string{sealift, "exec", dir, "/bin/true"}},
		{name: "sealift, SIF", args: []string{sealift, "exec", sif, "/bin/true"}},
		{name: "sealift, SIF, --nv", args: []string{sealift, "-q", "exec", "--nv", "--cdi-dirs", filepath.Join(work, "cdi"), sif, "/bin/true"}},
	}
	return slices.DeleteFunc(list, func(s starter) bool { return !found(s.args[0], s.name) }), nil
}

// found tells whether a program is there, and says so when a contender has to
// be left out.
func found(program, contender string) bool {
	_, err := exec.LookPath(program)
	if err != nil {
		fmt.Printf("%s is left out: %v\n", contender, err)
	}
	return err == nil
}
