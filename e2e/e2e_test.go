// Package e2e tests the programs as their users run them: real binaries, real
// namespaces, real images, as an ordinary user and, on a machine where the
// tests start as root, as root too.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/e2e/slurm"
)

// stageEnv names the directory that a root process prepares for the process it
// starts as an ordinary user: bin, images and the scripts, readable by all.
const stageEnv = "SEALIFT_E2E_STAGE"

// Test user of e2e/setup.sh.
const (
	testUID  = 1501
	testHome = "/home/sealift-test"
)

// stage returns the prepared directory, made on first use.
var stage = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv(stageEnv); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "sealift-e2e-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("make", "-s", "-C", "..", "BIN="+filepath.Join(dir, "bin"), "all", "box")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("make: %w\n%s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "bin/box"), "oci-archive", filepath.Join(dir, "box.tar")).CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w: %s", err, out)
	}
	if slurm.Headers() {
		out, err := exec.Command("make", "-s", "-C", "..", "BIN="+filepath.Join(dir, "bin"), "spank").CombinedOutput()
		if err != nil {
			return dir, fmt.Errorf("make spank: %w\n%s", err, out)
		}
	}
	images := filepath.Join(dir, "images")
	return dir, errors.Join(os.Chmod(dir, 0o755), os.Mkdir(images, 0o777), os.Chmod(images, 0o1777), os.CopyFS(filepath.Join(dir, "e2e/testdata"), os.DirFS("testdata")),
		os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../examples")))
})

// images builds the layouts once per machine and copies or links them into the
// stage.
func images(t *testing.T) map[string]string {
	t.Helper()
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"BOX": filepath.Join(dir, "box.tar"), "STAGE": dir, "EXAMPLES": filepath.Join(dir, "examples")}
	if os.Getenv(stageEnv) == "" {
		cache, err := filepath.Abs(".fixtures")
		if err != nil {
			t.Fatal(err)
		}
		link(t, dir, "debian", func() (string, error) { return fixture.Debian(context.Background(), cache) })
		link(t, dir, "busybox", func() (string, error) { return fixture.Busybox(cache) })
	}
	for _, name := range []string{"debian", "busybox"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			paths[strings.ToUpper(name)] = filepath.Join(dir, name)
		}
	}
	return paths
}

// link makes a fixture available in the stage; without the tools that make it
// the scripts that need it are skipped, except in CI.
func link(t *testing.T, dir, name string, make func() (string, error)) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		return
	}
	path, err := make()
	switch {
	case err == nil:
		err = os.CopyFS(filepath.Join(dir, name), os.DirFS(path))
	case os.Getenv("CI") != "true":
		t.Logf("no fixture %s: %v", name, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	// A signal that is caught here is at its default in the programs under
	// test, even when the tests run under nohup(1).
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if names := os.Getenv(lackingVar); names != "" {
		fmt.Fprintln(os.Stderr, lack(names, os.Args[1:]))
		os.Exit(1)
	}
	code := m.Run()
	if os.Getenv(stageEnv) == "" {
		if dir, _ := stage(); dir != "" {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// asUser runs the tests that match run again as the unprivileged test user.
// It returns when the caller is root, after that run.
func asUser(t *testing.T, run string) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(stageEnv) != "" {
		return
	}
	t.Run("as-user", func(t *testing.T) {
		images(t)
		dir, err := stage()
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(dir, "e2e.test")
		if data, err := os.ReadFile(self); err != nil || os.WriteFile(program, data, 0o755) != nil {
			t.Fatal("copy the test program:", err)
		}
		home := testHome
		if _, err := os.Stat(home); err != nil {
			t.Fatalf("the test user of e2e/setup.sh is missing: %v", err)
		}
		args := []string{"-test.run", run, "-test.timeout", flag.Lookup("test.timeout").Value.String()}
		if testing.Verbose() {
			args = append(args, "-test.v")
		}
		cmd := exec.Command(program, args...)
		cmd.Dir = filepath.Join(dir, "e2e")
		cmd.Env = append(os.Environ(), stageEnv+"="+dir, "HOME="+home, "USER=sealift-test", "LOGNAME=sealift-test")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: testUID, Gid: testUID}, Pdeathsig: syscall.SIGKILL,
		}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestScripts runs every script of testdata/script.
func TestScripts(t *testing.T) {
	apt := startAptCache(t)
	asUser(t, "^TestScripts$")
	env := images(t)
	if env["BUSYBOX"] != "" && env["DEBIAN"] != "" {
		env["REGISTRY"] = startRegistry(t, map[string]string{
			"busybox:1": env["BUSYBOX"], "team/busybox:1": env["BUSYBOX"], "debian:12": env["DEBIAN"],
		})
		startDockerRegistries(t, env)
	}
	env["APT"], env["LIBRARY"], env["WEB"] = apt, startLibrary(t, env), startWeb(t, env)
	env["KEYSERVER"] = startKeyserver(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("E2E_UPDATE") != "",
		Condition:     condition(env),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": cmdStatus, "clean": cmdClean, "format": cmdFormat, "fields": cmdFields,
		},
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			if err := errors.Join(os.MkdirAll(home, 0o755), os.MkdirAll(filepath.Join(e.WorkDir, "tmp"), 0o777)); err != nil {
				return err
			}
			e.Setenv("PATH", filepath.Join(env["STAGE"], "bin")+":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
			e.Setenv("HOME", home)
			// Whatever a script does to the container's home directory, it must
			// not reach that of who runs the tests.
			e.Setenv("SEALIFT_HOME", home)
			e.Setenv("UID", strconv.Itoa(os.Getuid()))
			for k, v := range env {
				e.Setenv(k, v)
			}
			e.Defer(func() { endInstances(filepath.Join(env["STAGE"], "bin/sealift"), filepath.Join(e.WorkDir, "run")) })
			return prebuilt(e, env)
		},
	})
}

// endInstances ends what a script that failed has left in its XDG_RUNTIME_DIR, if it had
// one.
func endInstances(sealift, dir string) {
	if _, err := os.Stat(dir); err != nil {
		return
	}
	cmd := exec.Command(sealift, "instance", "stop", "--all", "--force")
	cmd.Env = []string{"XDG_RUNTIME_DIR=" + dir}
	_ = cmd.Run() // it fails when there are none
}

// prebuilt makes the images that many scripts only run, once per user.
func prebuilt(e *testscript.Env, env map[string]string) error {
	for name, source := range map[string]string{"PY": env["DEBIAN"], "BB": env["BUSYBOX"]} {
		if source == "" {
			continue
		}
		path, err := buildOnce(env["STAGE"], name, "oci:"+source)
		if err != nil {
			return err
		}
		e.Setenv(name, path)
	}
	return nil
}

var built sync.Map // image name to func() (string, error)

func buildOnce(stage, name, source string) (string, error) {
	build := sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp(filepath.Join(stage, "images"), name)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, strings.ToLower(name)+".sif")
		out, err := exec.Command(filepath.Join(stage, "bin/sealift"), "build", path, source).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
		return path, os.Chmod(dir, 0o755)
	})
	f, _ := built.LoadOrStore(name, build)
	return f.(func() (string, error))()
}

// condition answers [root], [user], [debian], [busybox], [registries] and names of
// programs of e2e/setup.sh; all but the first two stop the run in CI when they are
// false.
func condition(env map[string]string) func(string) (bool, error) {
	return func(name string) (bool, error) {
		switch name {
		case "root":
			return os.Geteuid() == 0, nil
		case "user":
			return os.Geteuid() != 0, nil
		case "registries":
			return env["TOKEN"] != "", nil
		case "debian", "busybox":
			return env[strings.ToUpper(name)] != "", nil
		case "cwltool", "snakemake", "mandoc":
			_, err := exec.LookPath(name)
			if err != nil && os.Getenv("CI") == "true" {
				return false, err
			}
			return err == nil, nil
		}
		return false, fmt.Errorf("unknown condition %q", name)
	}
}

// cmdStatus is `status CODE PROGRAM ARG...`: run and compare the exit status.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exited *exec.ExitError
	got := 0
	if errors.As(err, &exited) {
		got = exited.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// cmdClean is `clean DIR`: fail when Sealift left anything temporary there, or
// a mount or a starter on the host.
func cmdClean(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		if strings.Contains(e.Name(), "sealift-") {
			ts.Fatalf("%s is left", e.Name())
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	ts.Check(err)
	if strings.Contains(string(mounts), " - fuse sealift") {
		ts.Fatalf("a mount is left on the host")
	}
}

// cmdFormat is `format COMPRESSION BLOCK NAME BYTES`: build the busybox image
// with the first two, run it, and compare what unsquashfs says of it with the
// last two. The image is COMPRESSION.sif.
func cmdFormat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: format COMPRESSION BLOCK NAME BYTES")
	}
	sif := args[0] + ".sif"
	ts.Check(ts.Exec("sealift", "build", "--force", "--compression", args[0], "--block-size", args[1], sif, "oci:"+ts.Getenv("BUSYBOX")))
	ts.Check(ts.Exec("sealift", "exec", sif, "sh", "-c", "md5sum /bin/busybox >/dev/null"))
	offset := strings.Index(ts.ReadFile(sif), "hsqs")
	ts.Check(ts.Exec("unsquashfs", "-offset", strconv.Itoa(offset), "-stat", sif))
	got := ts.ReadFile("stdout")
	for _, want := range []string{"Compression " + args[2], "Block size " + args[3]} {
		if !strings.Contains(got, want+"\n") {
			ts.Fatalf("%s: no %q in\n%s", sif, want, got)
		}
	}
}
