package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/starter/plan"
)

func TestRunsInADirectory(t *testing.T) {
	start(t, container(t, sh("cat /etc/hosts; pwd; ls / | grep -c noperm"))).want(t, "image\n/\n1\n")
}

func TestIdentity(t *testing.T) {
	want := fmt.Sprintf("%d %d\n", os.Getuid(), os.Getgid())
	start(t, container(t, sh("echo $(id -u) $(id -g)"))).want(t, want)
}

func TestHostname(t *testing.T) {
	p := container(t, []string{"hostname"}, plan.Do(plan.Hostname, "box"))
	p.Clone.UTS = true
	start(t, p).want(t, "box\n")
}

// TestExitStatus has every status there is (T113).
func TestExitStatus(t *testing.T) {
	for code := range 256 {
		for _, init := range []bool{true, false} {
			if !init && code%16 > 1 {
				continue
			}
			p := container(t, sh(fmt.Sprint("exit ", code)))
			p.Process.Init = init
			if r := start(t, p); r.err != nil || r.code != code {
				t.Errorf("init %v: exit %d became %d, %v", init, code, r.code, r.err)
			}
		}
	}
}

// TestKilledBySignal has the payload end by every signal that ends (T113).
func TestKilledBySignal(t *testing.T) {
	harmless := []int{17, 18, 23, 28} // CHLD CONT URG WINCH
	for n := 1; n <= 31; n++ {
		if n == 3 || n >= 19 && n <= 22 { // QUIT, which busybox ignores; STOP TSTP TTIN TTOU
			continue
		}
		for _, init := range []bool{true, false} {
			if !init && n%5 != 0 {
				continue
			}
			p := container(t, sh(fmt.Sprintf("ulimit -c 0; kill -%d $$; exit 0", n)))
			// Without init, the payload must not be PID 1, which ignores signals.
			p.Process.Init, p.Clone.PID = init, init
			if !init {
				p.Ops[2] = plan.Do(plan.Bind, "/proc", "/proc", "")
			}
			want := 128 + n
			if slices.Contains(harmless, n) {
				want = 0
			}
			if r := start(t, p); r.err != nil || r.code != want {
				t.Errorf("init %v: signal %d became %d, %v", init, n, r.code, r.err)
			}
		}
	}
}

func TestInitReaps(t *testing.T) {
	p := container(t, sh(`for i in 1 2 3 4 5; do sh -c 'sleep 0.01 & '; done; sleep 0.1; ps -o stat | grep -c Z; exit 3`))
	if r := start(t, p); r.code != 3 || r.out != "0\n" {
		t.Errorf("status %d, zombies %s", r.code, r.out)
	}
}

func TestOrphansEndWithPayload(t *testing.T) {
	mark := fmt.Sprint(1000000 + os.Getpid())
	start(t, container(t, sh("sleep "+mark+" & exit 0"))).want(t, "")
	eventually(t, func() bool { return !processExists(mark) }, "an orphan lives on")
}

func TestUmask(t *testing.T) {
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	p := container(t, sh("umask"))
	start(t, p).want(t, "0027\n")
	p.Ops[0].Args[0] = tempDir(t)
	p.Process.Umask = 0o077
	start(t, p).want(t, "0077\n")
}

func TestWorkingDirectory(t *testing.T) {
	p := container(t, []string{"pwd"})
	p.Process.Dirs = []string{"/no/such", "/plain", "/data/sub", "/"}
	start(t, p).want(t, "/data/sub\n")
	p = container(t, []string{"pwd"})
	p.Process.Dirs = []string{"/no/such", "/plain"}
	start(t, p).fails(t, 125, "working directory /no/such: no such file or directory")
}

// TestWorkingDirectoryOutside (T76) passes a descriptor of a host directory, by way
// of which the payload must not start outside.
func TestWorkingDirectoryOutside(t *testing.T) {
	p := container(t, []string{"pwd"})
	p.Process.Dirs = []string{"/proc/self/fd/3", "/data"}
	cmd := helper(t, p)
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd.ExtraFiles = []*os.File{dir}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "/data\n" {
		t.Errorf("started in %q, %v", out, err)
	}
}

func TestCommandFailures(t *testing.T) {
	for _, c := range []struct {
		command string
		code    int
		text    string
	}{
		{"nosuch", 127, "nosuch: executable file not found in $PATH"},
		{"/bin/nosuch", 127, "/bin/nosuch: no such file or directory"},
		{"/plain/x", 127, "/plain/x: not a directory"},
		{"/plain", 126, "/plain: permission denied"},
		{"/data", 126, "/data: permission denied"},
		{"/bad", 126, "execute /bad: exec format error"},
		{"/interp", 127, "execute /interp: its interpreter: no such file or directory"},
	} {
		for _, init := range []bool{true, false} {
			p := container(t, []string{c.command})
			p.Process.Init = init
			start(t, p).fails(t, c.code, c.text)
		}
	}
}

func TestScript(t *testing.T) {
	start(t, container(t, []string{"/script", "a b", ""})).want(t, "script a b \n")
	for _, init := range []bool{true, false} { // without #!
		p := container(t, []string{"/bare", "a b", ""})
		p.Process.Init = init
		start(t, p).want(t, "bare a b \n")
	}
}

func TestOpFailures(t *testing.T) {
	file := filepath.Join(tempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		op   plan.Op
		text string
	}{
		{plan.Do(plan.Bind, "/no/scratch", "/data", ""), "bind /no/scratch on /data: no such file or directory"},
		{plan.Do(plan.Bind, "relative", "/data", ""), "bind relative on /data: invalid argument"},
		{plan.Do(plan.Bind, "/tmp", "/nodata", ""), "bind /tmp on /nodata: no such file or directory"},
		{plan.Do(plan.Bind, file, "/data", ""), "bind " + file + " on /data: not a directory"},
		{plan.Do(plan.Bind, "/tmp", "/etc/hosts", ""), "bind /tmp on /etc/hosts: not a directory"},
		{plan.Do(plan.Bind, "/tmp", "/link-loop", ""), "too many levels of symbolic links"},
		{plan.Do(plan.Bind, "/tmp", "/link-dangling", ""), "no such file or directory"},
		{plan.Do(plan.Bind, "/tmp", "/data", "wo"), "invalid argument"},
		{plan.Do(plan.Bind, "nosuch", "/data", "session"), "no such file or directory"},
		{plan.Do(plan.Mount, "nosuchfs", "/data", "", ""), "mount nosuchfs on /data: no such device"},
		{plan.Do(plan.Overlay, "/data", "/no/lower:/tmp", "", "", ""), "mount overlay on /data: no such file"},
		{plan.Do(plan.Mkdir, "@a/../b", "755"), "invalid argument"},
		{plan.Do(plan.Mkdir, "@a", "rwx"), "make directory a of the session directory: invalid argument"},
		{plan.Do(plan.Session, "/tmp", ""), "mount the session directory on /tmp: invalid argument"},
		{plan.Do(plan.Dropcaps, "cap_nosuch"), "drop capabilities: invalid argument"},
		{plan.Do(plan.Umount, "/nosuch"), "unmount /nosuch: no such file or directory"},
	} {
		start(t, container(t, []string{"true"}, c.op)).fails(t, 125, c.text)
	}
}

func TestStdinClosed(t *testing.T) {
	cmd := helper(t, container(t, sh("cat; echo $?")))
	shell := exec.Command("sh", "-c", cmd.Path+" <&-")
	shell.Env = cmd.Env
	if out, err := shell.CombinedOutput(); err != nil || string(out) != "0\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestInheritedDescriptors(t *testing.T) {
	for _, init := range []bool{true, false} {
		p := container(t, sh("cat <&3; cat <&7; ls /proc/self/fd | wc -l"))
		p.Process.Init = init
		out := withDescriptors(t, p, 3, 7)
		// 0 1 2 3 7, and the directory that ls has open.
		if !strings.HasPrefix(out, "from 3\nfrom 7\n") || strings.TrimSpace(out[14:]) != "6" {
			t.Errorf("init %v: %q", init, out)
		}
	}
}

func TestClosedDescriptors(t *testing.T) {
	p := container(t, sh("cat <&7; ls /proc/self/fd; [ $(id -u) != 0 ] || ls /proc/1/fd"))
	p.Process.CloseFDs, p.Process.KeepFDs = true, []int{7}
	out := withDescriptors(t, p, 3, 7, 9)
	want := "from 7 0 1 2 3 7"
	if os.Getuid() == 0 { // others may not look at the init's
		want += " 0 1 2"
	}
	if strings.Join(strings.Fields(out), " ") != want {
		t.Errorf("%q", out)
	}
}

// withDescriptors runs p with descriptors open as these numbers.
func withDescriptors(t *testing.T, p *plan.Plan, numbers ...int) string {
	cmd := helper(t, p)
	script := "exec " + cmd.Path
	for _, n := range numbers {
		path := filepath.Join(tempDir(t), "f")
		if err := os.WriteFile(path, fmt.Appendf(nil, "from %d\n", n), 0o644); err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf(" %d<%s", n, path)
	}
	shell := exec.Command("sh", "-c", script)
	shell.Env = cmd.Env
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestLimitOfDescriptors(t *testing.T) {
	cmd := helper(t, container(t, []string{"echo", "ok"}))
	shell := exec.Command("sh", "-c", "ulimit -n 24; exec "+cmd.Path)
	shell.Env = cmd.Env
	if out, err := shell.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTooFewDescriptors(t *testing.T) {
	cmd := helper(t, container(t, []string{"echo", "ok"}))
	shell := exec.Command("sh", "-c", "ulimit -n 11; exec "+cmd.Path)
	shell.Env = cmd.Env
	out, err := shell.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hint: raise the limit of open files") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 50 {
		p := container(t, sh("echo $(id -u)"))
		wg.Go(func() { start(t, p).want(t, fmt.Sprintln(os.Getuid())) })
	}
	wg.Wait()
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := container(t, []string{"sleep", "60"})
	c, err := Start(p.Clone, Job{Starter: filepath.Join(shared, buildcfg.StarterName)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if _, err := c.Run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := c.Run(ctx, p); err == nil {
		t.Error("a second run went well")
	}
}

func TestStartedButNeverRun(t *testing.T) {
	c, err := Start(plan.Clone{}, Job{Starter: filepath.Join(shared, buildcfg.StarterName)})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	if err := unix.Kill(c.pid, 0); err == nil {
		t.Error("the starter lives on")
	}
}

func TestOtherNamespacesThanStarted(t *testing.T) {
	c, err := Start(plan.Clone{}, Job{Starter: filepath.Join(shared, buildcfg.StarterName)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := &plan.Plan{Clone: plan.Clone{PID: true}, Process: plan.Process{Args: []string{"x"}}}
	if _, err := c.Run(t.Context(), p); err == nil {
		t.Error("no error")
	}
}

func TestDamagedStarter(t *testing.T) {
	path := filepath.Join(tempDir(t), "starter")
	if _, err := Start(plan.Clone{}, Job{Starter: path}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(path, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(plan.Clone{}, Job{Starter: path}); !errors.Is(err, unix.ENOEXEC) {
		t.Errorf("damaged: %v", err)
	}
}
