package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/plan"
)

// The tests run the real starter. They share one directory that every user can
// read: the starter, a copy of this test binary, and a root file system made of
// busybox. Variables of the environment turn the test binary into a helper:
const (
	envDir  = "LAUNCH_TEST_DIR"  // the shared directory exists already
	envPlan = "LAUNCH_TEST_PLAN" // behave like the sealift program for this plan
	// nobody is a user id without a passwd entry.
	nobody = 65533
)

// shared is that directory; root, the root file system, is in it, or, for the
// user, in the user's own directory, so that the user owns it.
var shared, root string

func TestMain(m *testing.M) {
	if path := os.Getenv(envPlan); path != "" {
		os.Exit(program(path))
	}
	// Descriptors that the tests inherited would turn up in their containers.
	fds, err := inheritedFDs()
	if err != nil {
		os.Exit(report(err))
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	// A signal that is caught here is at its default in the programs under
	// test, even when the tests run under nohup(1).
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(withShared(func() int { return withoutLeaks(m.Run()) }))
}

// withoutLeaks fails where goroutines are left when all tests are over.
func withoutLeaks(code int) int {
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func withShared(run func() int) int {
	var err error
	if shared = os.Getenv(envDir); shared != "" {
		root = filepath.Join(os.TempDir(), "root")
		if err := makeRoot(root); err != nil {
			return report(err)
		}
		return run()
	}
	if shared, err = os.MkdirTemp("", "launch-test-"); err == nil {
		root = filepath.Join(shared, "root")
		defer os.RemoveAll(shared)
		err = errors.Join(os.Chmod(shared, 0o755), makeShared(shared))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// makeShared fills dir.
func makeShared(dir string) error {
	for name, pkg := range map[string]string{buildcfg.StarterName: "../../starter", "signals": "./testdata/signals"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		if name == buildcfg.StarterName {
			build.Args = append(build.Args[:2:2], "-ldflags", "-E "+enter.Symbol, "-o", filepath.Join(dir, name), pkg)
		}
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return errors.Join(copyFile(filepath.Join(dir, "launch.test"), self), makeRoot(root))
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, data, 0o755), os.Chmod(to, 0o755))
}

// makeRoot makes a root file system, with what makeShared has built. It has no
// commands without busybox.
func makeRoot(root string) error {
	var errs []error
	for _, d := range []string{"bin", "proc", "dev", "data/sub", "etc", "mnt", "noperm", "host"} {
		errs = append(errs, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	for name, content := range map[string]string{
		"plain":     "#!/bin/sh\n",        // not executable
		"bad":       "\x7fELF\x00",        // executable, but not a program
		"bare":      "echo bare \"$@\"\n", // a script of the shell's
		"interp":    "#!/no/such/interpreter\n",
		"script":    "#!/bin/sh\necho script \"$@\"\n",
		"etc/hosts": "image\n",
	} {
		path := filepath.Join(root, name)
		errs = append(errs, os.WriteFile(path, []byte(content), 0o644))
		if name != "plain" {
			errs = append(errs, os.Chmod(path, 0o755))
		}
	}
	for link, target := range map[string]string{
		"link-abs": "/data", "link-rel": "../../../../data", "link-dangling": "/no/such", "link-loop": "link-loop",
	} {
		errs = append(errs, os.Symlink(target, filepath.Join(root, link)))
	}
	errs = append(errs, copyFile(filepath.Join(root, "bin/signals"), filepath.Join(shared, "signals")))
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return errors.Join(errs...)
	}
	errs = append(errs, copyFile(filepath.Join(root, "bin/busybox"), busybox))
	for applet := range strings.FieldsSeq("sh sed sort nice cat ls id sleep kill true echo mount hostname touch stat ps grep tr wc head stty readlink mkdir rm pwd env dd umount setsid") {
		errs = append(errs, os.Symlink("busybox", filepath.Join(root, "bin", applet)))
	}
	return errors.Join(errs...)
}

// program is the least of a command line that runs plans.
func program(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return report(err)
	}
	p, err := plan.Parse(data)
	if err != nil {
		return report(err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, Signals()...)
	j := Job{
		Starter: filepath.Join(os.Getenv(envDir), buildcfg.StarterName),
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Serve: serveEmpty, Signals: signals,
	}
	st, err := Run(context.Background(), p, j)
	if err != nil {
		return report(err)
	}
	return st.Code
}

func report(err error) int {
	fmt.Fprintf(os.Stderr, "error: %v\nhint: %s\n", err, hint.Of(err))
	if f, ok := errors.AsType[*failure.Failure](err); ok {
		return f.ExitCode()
	}
	return 1
}

// need skips the test for want of a tool, except in CI.
func need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func needBusybox(t testing.TB) {
	t.Helper()
	_, err := os.Stat(filepath.Join(root, "bin/busybox"))
	need(t, err == nil, "no busybox")
}

// tempDir is t.TempDir on a path that every user can pass.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "launch-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// container returns a plan that runs args in a directory, as a user's container
// would. ops come before the root is entered.
func container(t testing.TB, args []string, ops ...plan.Op) *plan.Plan {
	t.Helper()
	needBusybox(t)
	p := &plan.Plan{
		Clone: plan.Clone{Mount: true, PID: true},
		Process: plan.Process{
			Init: true, Args: args, Env: []string{"PATH=/bin"}, Dirs: []string{"/"}, Umask: -1,
		},
	}
	if uid := os.Geteuid(); uid != 0 {
		p.Clone.User = true
		p.Clone.UIDs = []plan.IDMap{{Inside: uint32(uid), Outside: uint32(uid), Size: 1}}
		p.Clone.GIDs = []plan.IDMap{{Inside: uint32(os.Getegid()), Outside: uint32(os.Getegid()), Size: 1}}
	}
	p.Ops = append([]plan.Op{
		plan.Do(plan.Session, tempDir(t), "mode=0755,size=16m"),
		plan.Do(plan.Bind, root, "@root", "nosuid,nodev"),
		plan.Do(plan.Mount, "proc", "/proc", "nosuid,nodev,noexec", ""),
		plan.Do(plan.Bind, "/dev", "/dev", "nosuid"),
	}, ops...)
	p.Ops = append(p.Ops, plan.Do(plan.Pivot), plan.Do(plan.Dropcaps, ""))
	return p
}

func sh(script string) []string { return []string{"sh", "-c", script} }

// result is what a run came to.
type result struct {
	out  string // standard output and error
	code int
	err  error
}

// start runs p in this process.
func start(t testing.TB, p *plan.Plan) result {
	t.Helper()
	return startJob(t, p, Job{})
}

func startJob(t testing.TB, p *plan.Plan, j Job) result {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	j.Starter, j.Stdout, j.Stderr = filepath.Join(shared, buildcfg.StarterName), w, w
	output := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		output <- string(data)
	}()
	st, err := Run(t.Context(), p, j)
	w.Close()
	code := st.Code
	if f, ok := errors.AsType[*failure.Failure](err); ok {
		code = f.ExitCode()
	}
	return result{<-output, code, err}
}

// want checks a run that is to succeed.
func (r result) want(t testing.TB, out string) {
	t.Helper()
	if r.err != nil || r.code != 0 || r.out != out {
		t.Errorf("output %q, status %d, error %v; want output %q", r.out, r.code, r.err, out)
	}
}

// fails checks a run that is to fail.
func (r result) fails(t testing.TB, code int, text string) {
	t.Helper()
	if r.err == nil || r.code != code || !strings.Contains(r.err.Error(), text) {
		t.Errorf("output %q, status %d, error %v; want status %d, error %q", r.out, r.code, r.err, code, text)
	}
}

// helper returns a command that runs p as a program of its own.
func helper(t testing.TB, p *plan.Plan) *exec.Cmd {
	t.Helper()
	data, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tempDir(t), "plan")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(shared, "launch.test"))
	cmd.Env = []string{envDir + "=" + shared, envPlan + "=" + path}
	return cmd
}

// TestAsUser runs the tests of this package again as an ordinary user.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the other tests are run by an ordinary user already")
	}
	home := tempDir(t)
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.timeout=60s"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(filepath.Join(shared, "launch.test"), args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), envDir+"="+shared, "TMPDIR="+home, "HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("as user %d: %v", nobody, err)
	}
	t.Log(out.String())
}
