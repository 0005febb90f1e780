package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// busyboxImage returns the stage's programs and the busybox SIF of this user.
func busyboxImage(t *testing.T) (sealift, image string) {
	t.Helper()
	env := images(t)
	if env["BUSYBOX"] == "" {
		t.Skip("needs the busybox fixture")
	}
	path, err := buildOnce(env["STAGE"], "BB", "oci:"+env["BUSYBOX"])
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(env["STAGE"], "bin/sealift"), path
}

// terminal is a program on a pseudo-terminal.
type terminal struct {
	*exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
}

func startTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	x := &terminal{Cmd: exec.Command(args[0], args[1:]...)}
	x.Dir = "/"
	tty, err := pty.StartWithSize(x.Cmd, &pty.Winsize{Rows: 33, Cols: 77})
	if err != nil {
		t.Fatal(err)
	}
	x.tty = tty
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			x.mu.Lock()
			x.seen.Write(buf[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { x.Process.Kill(); tty.Close() })
	return x
}

// expect waits until the terminal has shown text n times.
func (x *terminal) expect(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		x.mu.Lock()
		count := strings.Count(x.seen.String(), text)
		x.mu.Unlock()
		if count >= n {
			return
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	t.Fatalf("no %q on the terminal: %q", text, x.seen.String())
}

func (x *terminal) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(x.tty, text); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the program and compares its status.
func (x *terminal) exit(t *testing.T, want int) {
	t.Helper()
	done := make(chan struct{})
	go func() { x.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
	if got := x.ProcessState.ExitCode(); got != want {
		t.Errorf("exit status %d, want %d", got, want)
	}
}

// TestShellOnTerminal proves that a shell is interactive: prompt, terminal,
// window size, job control's Ctrl-C, exit status.
func TestShellOnTerminal(t *testing.T) {
	asUser(t, "^TestShellOnTerminal$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, sealift, "shell", image)
	x.expect(t, "Sealift> ", 1)
	x.send(t, "stty size; test -t 0 && echo is-a-$((1+1))ty\n")
	x.expect(t, "33 77", 1)
	x.expect(t, "is-a-2ty", 1)
	x.send(t, "sleep 100\n")
	time.Sleep(300 * time.Millisecond)
	x.send(t, "\x03")
	x.send(t, "echo after-$((40+2))\n")
	x.expect(t, "after-42", 1)
	x.send(t, "exit 5\n")
	x.exit(t, 5)
}

// TestInterruptReachesPayloadOnce counts the SIGINTs of one Ctrl-C (T121).
func TestInterruptReachesPayloadOnce(t *testing.T) {
	asUser(t, "^TestInterruptReachesPayloadOnce$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, sealift, "exec", image, "sh", "-c",
		`trap 'echo got-INT' INT; echo ready; n=0; while [ $n -lt 15 ]; do sleep 0.1; n=$((n+1)); done; echo finished; exit 9`)
	x.expect(t, "ready", 1)
	x.send(t, "\x03")
	x.expect(t, "finished", 1)
	x.exit(t, 9)
	if n := strings.Count(x.seen.String(), "got-INT"); n != 1 {
		t.Errorf("%d interrupts", n)
	}
}

// TestInterruptStopsScripts proves that Ctrl-C ends a script that runs a
// container, not just the container: the shell looks for a death by SIGINT.
func TestInterruptStopsScripts(t *testing.T) {
	asUser(t, "^TestInterruptStopsScripts$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, sealift, "exec", image, "sh", "-c", "echo ready; exec sleep 100")
	x.expect(t, "ready", 1)
	x.send(t, "\x03")
	x.exit(t, -1)
	if ws, ok := x.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("%v", x.ProcessState)
	}
	// A payload that says 130 by itself is no interrupt.
	x = startTerminal(t, sealift, "exec", image, "sh", "-c", "exit 130")
	x.exit(t, 130)
}

// TestSignalsAreForwarded sends each signal to the command line's process, as
// a batch system does, and expects the payload to get it (T113).
func TestSignalsAreForwarded(t *testing.T) {
	asUser(t, "^TestSignalsAreForwarded$")
	sealift, image := busyboxImage(t)
	for _, s := range []struct {
		name string
		sig  syscall.Signal
	}{{"HUP", syscall.SIGHUP}, {"INT", syscall.SIGINT}, {"QUIT", syscall.SIGQUIT}, {"TERM", syscall.SIGTERM}, {"USR1", syscall.SIGUSR1}, {"USR2", syscall.SIGUSR2}} {
		t.Run(s.name, func(t *testing.T) {
			cmd := exec.Command(sealift, "exec", image, "sh", "-c", "trap 'exit 50' "+s.name+"; echo ready; while :; do sleep 0.05; done")
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			waitReady(t, cmd)
			if err := cmd.Process.Signal(s.sig); err != nil {
				t.Fatal(err)
			}
			if cmd.Wait(); cmd.ProcessState.ExitCode() != 50 {
				t.Errorf("%v", cmd.ProcessState)
			}
		})
	}
}

// waitReady starts a command and returns once it has printed something.
func waitReady(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var msg bytes.Buffer
	cmd.Stderr = &msg
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("%v: %s", err, msg.String())
	}
}

// TestKillEndsEverything kills the command line's process and expects no
// process of the container to be left after two seconds (T114).
func TestKillEndsEverything(t *testing.T) {
	asUser(t, "^TestKillEndsEverything$")
	sealift, image := busyboxImage(t)
	for _, flags := range [][]string{nil, {"--no-pid"}} {
		mark := "7" + time.Now().Format("150405.000000")
		args := append(append([]string{"exec"}, flags...), image, "sh", "-c", "echo ready; exec sleep "+mark)
		cmd := exec.Command(sealift, args...)
		cmd.Dir = "/"
		waitReady(t, cmd)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		for deadline := time.Now().Add(2 * time.Second); running(t, mark); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v: the payload outlives its command", flags)
			}
		}
	}
}

// running tells whether a process has mark in its command line.
func running(t *testing.T, mark string) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(mark)) && !bytes.Contains(text, []byte("e2e.test")) {
			return true
		}
	}
	return false
}

// TestDescriptorsPass proves that the caller's descriptors reach the payload
// under their numbers and that Sealift's own do not (T74).
func TestDescriptorsPass(t *testing.T) {
	asUser(t, "^TestDescriptorsPass$")
	sealift, image := busyboxImage(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sealift, "exec", image, "sh", "-c", "echo through >&3; ls /proc/self/fd | tr '\\n' ' '")
	cmd.ExtraFiles = []*os.File{w}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What this process has open without close-on-exec passes too; the same
	// command without a container shows it.
	plain := exec.Command("sh", "-c", "ls /proc/self/fd | tr '\n' ' '")
	plain.ExtraFiles = []*os.File{w}
	plain.Dir = "/"
	want, err := plain.Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.Fields(want)) < 5 || !bytes.Equal(out, want) {
		t.Errorf("open descriptors: %s, without container: %s", out, want)
	}
	w.Close()
	if text, _ := io.ReadAll(r); string(text) != "through\n" {
		t.Errorf("descriptor 3 carried %q", text)
	}
}

// TestManyAtOnce starts many containers of one image together.
func TestManyAtOnce(t *testing.T) {
	asUser(t, "^TestManyAtOnce$")
	sealift, image := busyboxImage(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			cmd := exec.Command(sealift, "exec", image, "true")
			cmd.Dir = "/"
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
}

// TestPassphraseOnTerminal makes an image with a passphrase that is typed twice, and
// opens it with one typed while the standard input is the payload's. Ctrl-C ends
// the question.
func TestPassphraseOnTerminal(t *testing.T) {
	asUser(t, "^TestPassphraseOnTerminal$")
	sealift, image := busyboxImage(t)
	secret := filepath.Join(t.TempDir(), "secret.sif")
	x := startTerminal(t, sealift, "build", "--passphrase", secret, image)
	x.expect(t, "Encryption passphrase: ", 1)
	x.send(t, "open sesame\n")
	x.expect(t, "The same again: ", 1)
	x.send(t, "open sesame\n")
	x.exit(t, 0)
	x = startTerminal(t, "sh", "-c", `echo to-the-payload | "$1" exec --passphrase "$2" cat`, "sh", sealift, secret)
	x.expect(t, "Encryption passphrase: ", 1)
	x.send(t, "open sesame\n")
	x.expect(t, "to-the-payload", 1)
	x.exit(t, 0)
	if strings.Contains(x.seen.String(), "sesame") {
		t.Errorf("the terminal shows %q", x.seen.String())
	}
	x = startTerminal(t, sealift, "exec", "--passphrase", secret, "true")
	x.expect(t, "Encryption passphrase: ", 1)
	x.send(t, "\x03")
	x.exit(t, 130)
}
