package launch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// launched starts cmd with its output in r, and waits for a line with ready.
func launched(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	r := bufio.NewReader(out)
	expect(t, r, "ready")
	return r
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if line, err := r.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("read %q, %v; want %q", line, err, want)
	}
}

// variants are plans with an init, and with the payload in the starter's place.
func variants(t *testing.T, script string) map[string]*plan.Plan {
	with, without := container(t, sh(script)), container(t, sh(script))
	without.Process.Init, without.Clone.PID = false, false
	without.Ops[2] = plan.Do(plan.Bind, "/proc", "/proc", "")
	return map[string]*plan.Plan{"init": with, "exec": without}
}

func TestForwardsSignals(t *testing.T) {
	for name, p := range variants(t, "exec signals") {
		cmd := helper(t, p)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		r := launched(t, cmd)
		for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM} {
			cmd.Process.Signal(s)
			expect(t, r, unix.SignalName(s))
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 9 {
			t.Errorf("%s: status %d", name, code)
		}
	}
}

func TestUnhandledSignals(t *testing.T) {
	for name, p := range variants(t, "echo ready; exec sleep 60") {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP} {
			p.Ops[0].Args[0] = tempDir(t)
			cmd := helper(t, p)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			launched(t, cmd)
			cmd.Process.Signal(s)
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 128+int(s) {
				t.Errorf("%s: after %v status %d", name, s, code)
			}
		}
	}
}

// TestStops stops and continues a job that has no terminal (T112).
func TestStops(t *testing.T) {
	cmd := helper(t, container(t, sh("echo ready; sleep 0.1; echo on; exec sleep 60")))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r := launched(t, cmd)
	cmd.Process.Signal(syscall.SIGTSTP)
	eventually(t, func() bool { return state(cmd.Process.Pid) == "T" }, "it does not stop")
	cmd.Process.Signal(syscall.SIGCONT)
	expect(t, r, "on")
}

func state(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(f) == 0 {
		return ""
	}
	return string(f[0])
}

// TestIgnoredStaysIgnored starts as nohup(1) does.
func TestIgnoredStaysIgnored(t *testing.T) {
	for name, p := range variants(t, "kill -HUP $$; echo alive") {
		cmd := helper(t, p)
		shell := exec.Command("sh", "-c", "trap '' HUP; exec "+cmd.Path)
		shell.Env = cmd.Env
		if out, err := shell.CombinedOutput(); err != nil || string(out) != "alive\n" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// TestKilledLauncher kills -9 the launching process: all must end (T114).
func TestKilledLauncher(t *testing.T) {
	for i, name := range []string{"init", "exec"} {
		mark := fmt.Sprint(2000000 + 10*os.Getpid() + i)
		p := variants(t, "echo ready; exec sleep "+mark)[name]
		cmd := helper(t, p)
		launched(t, cmd)
		if !processExists(mark) {
			t.Errorf("%s: the payload is not to be found", name)
		}
		cmd.Process.Kill()
		cmd.Wait()
		eventually(t, func() bool { return !processExists(mark) }, name+": the payload lives on")
	}
}

// TestKilledInit kills -9 the starter from outside (T114).
func TestKilledInit(t *testing.T) {
	p := container(t, sh("echo ready; sleep 60"))
	c, err := Start(p.Clone, Job{Starter: starterPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.AfterFunc(50*time.Millisecond, func() { c.kill(syscall.SIGKILL) })
	if st, err := c.Run(t.Context(), p); err != nil || st.Code != 137 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestEarlySignal ends a container whose set-up hangs, as on a dead server.
func TestEarlySignal(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	c, err := Start(plan.Clone{}, Job{Starter: starterPath(), Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	told := make(chan error)
	go func() { <-c.exited; told <- nil }()
	if st, err := c.attend(t.Context(), told, nil); err != nil || st.Code != 143 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestEarlyStop has SIGCONT, and the end of the signals, come long before the
// payload runs: neither ends it.
func TestEarlyStop(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGCONT
	close(signals)
	c, err := Start(plan.Clone{}, Job{Starter: starterPath(), Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	told := make(chan error)
	go func() {
		select {
		case <-c.exited:
			t.Error("the starter was killed")
		case <-time.After(patience + patience/4):
			c.kill(syscall.SIGKILL)
		}
		<-c.exited
		told <- nil
	}()
	if st, err := c.attend(t.Context(), told, nil); err != nil || st.Code != 137 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestHeldSignal sends a signal before the payload runs, which gets it.
func TestHeldSignal(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGUSR1
	for name, p := range variants(t, "sleep 60") {
		p.Process.Args = []string{"sleep", "60"} // unlike a shell, ready at once
		if r := startJob(t, p, Job{Signals: signals}); r.err != nil || r.code != 128+int(syscall.SIGUSR1) {
			t.Errorf("%s: status %d, %v", name, r.code, r.err)
		}
		signals <- syscall.SIGUSR1
	}
}

// terminal runs p on a terminal of its own and returns its other side.
func terminal(t *testing.T, p *plan.Plan) (*exec.Cmd, *os.File, *bufio.Reader) {
	t.Helper()
	cmd := helper(t, p)
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); tty.Close() })
	r := bufio.NewReader(tty)
	expect(t, r, "ready")
	return cmd, tty, r
}

// TestKeys types Ctrl-C, which must arrive once, and Ctrl-\ (T121).
func TestKeys(t *testing.T) {
	for name, p := range variants(t, "stty -echo; exec signals") {
		cmd, tty, r := terminal(t, p)
		for _, key := range []struct{ send, want string }{{"\x03", "SIGINT"}, {"\x1c", "SIGQUIT"}, {"\x03", "SIGINT"}} {
			if _, err := io.WriteString(tty, key.send); err != nil {
				t.Fatal(err)
			}
			expect(t, r, key.want)
		}
		time.Sleep(50 * time.Millisecond) // a second SIGINT would be printed first
		cmd.Process.Signal(syscall.SIGUSR1)
		expect(t, r, "SIGUSR1")
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 9 {
			t.Errorf("%s: status %d", name, code)
		}
	}
}

// TestTerminalIsRestored kills a payload that has turned echo off (T121).
func TestTerminalIsRestored(t *testing.T) {
	cmd, tty, _ := terminal(t, container(t, sh("stty raw -echo; echo ready; exec sleep 60")))
	raw, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil || raw.Lflag&unix.ECHO != 0 {
		t.Fatalf("echo is on: %v", err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil || after.Lflag&unix.ECHO == 0 {
		t.Errorf("echo stays off: %v", err)
	}
}
