package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// loops is how many containers TestLoopsT115 starts, and loopsTime how long it goes
// on at most: on a machine that does much else, they are fewer.
const (
	loops     = 1000
	loopsTime = 45 * time.Second
)

// TestLoopsT115 starts and stops containers, most of which lose one of their
// processes at a time of chance: the command line's, the init, or the payload.
// Nothing is left of any: no process, no mount, no file.
func TestLoopsT115(t *testing.T) {
	asUser(t, "^TestLoopsT115$")
	if os.Geteuid() == 0 {
		return // once is enough
	}
	sealift, image := busyboxImage(t)
	tmp := t.TempDir()
	before := leftovers(t)
	args := []string{sealift, "exec", image, "sleep", "0.03"}
	usual := time.Now()
	for range 4 {
		oneLoop(t, args, tmp, 0, 0)
	}
	whole := int64(time.Since(usual)) / 4
	var next atomic.Int64
	var killed [4]atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for worker := range 2 {
		random := rand.New(rand.NewPCG(115, uint64(worker)))
		wg.Go(func() {
			for time.Since(start) < loopsTime && next.Add(1) <= loops {
				victim := random.IntN(len(killed))
				if oneLoop(t, args, tmp, victim, time.Duration(random.Int64N(whole))) {
					killed[victim].Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d loops in %v: %d killed as the command line, %d as the init, %d as the payload", min(next.Load(), loops), time.Since(start).Round(time.Millisecond),
		killed[1].Load(), killed[2].Load(), killed[3].Load())
	for deadline := time.Now().Add(3 * time.Second); running(t, filepath.Dir(sealift)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("processes are left")
		}
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) > 0 {
		t.Errorf("files are left: %v, %v", entries, err)
	}
	if after := leftovers(t); after != before {
		t.Errorf("left: %s\nbefore: %s", after, before)
	}
}

// oneLoop runs a container and kills, after a while, none of its processes (0), its
// own (1), the first child (2) or that one's child (3). It tells whether there was
// such a process.
func oneLoop(t *testing.T, args []string, tmp string, victim int, after time.Duration) (killed bool) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "TMPDIR="+tmp)
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	if victim > 0 {
		time.Sleep(after)
		pid := cmd.Process.Pid
		for range victim - 1 {
			pid = childOf(pid)
		}
		// The child of a process that has ended is nobody, 0.
		killed = pid > 1 && cmd.Process.Signal(syscall.Signal(0)) == nil && syscall.Kill(pid, syscall.SIGKILL) == nil
	}
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("a container goes on")
		cmd.Process.Kill()
	}
	return killed
}

// childOf returns the first child of a process, 0 for none.
func childOf(pid int) (child int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // it has ended
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil && len(text) > 0 {
			fmt.Sscan(string(text), &child)
			return child
		}
	}
	return 0
}

// leftovers are the FUSE mounts, and the files of Sealift in /tmp and /dev/shm.
func leftovers(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " sealift ") {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}

// TestDoubleInterruptT112 types Ctrl-C twice: the payload gets both, and ends by the
// second.
func TestDoubleInterruptT112(t *testing.T) {
	asUser(t, "^TestDoubleInterruptT112$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, sealift, "exec", image, "sh", "-c",
		`n=0; trap 'n=$((n+1)); echo "got-$n"; [ $n -lt 2 ] || exit 7' INT; echo ready; while :; do sleep 0.05; done`)
	x.expect(t, "ready", 1)
	x.send(t, "\x03")
	x.expect(t, "got-1", 1)
	x.send(t, "\x03")
	x.expect(t, "got-2", 1)
	x.exit(t, 7)
}

// TestStopT112 types Ctrl-Z in a shell with job control: the container stops, and
// goes on in the foreground. TestStops of runtime/launch does so without a terminal.
func TestStopT112(t *testing.T) {
	asUser(t, "^TestStopT112$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, "/bin/bash", "--norc", "-i")
	x.send(t, "PS1=; "+sealift+" exec "+image+" sh -c 'echo read\"y\"; n=0; while [ $n -lt 40 ]; do sleep 0.05; n=$((n+1)); done; echo do\"ne\"'\n")
	x.expect(t, "ready", 1)
	x.send(t, "\x1a")
	x.expect(t, "Stopped", 1)
	x.send(t, "fg\n")
	x.expect(t, "done", 1)
	x.send(t, "exit 4\n")
	x.exit(t, 4)
}

// TestStoppedT120: a payload that has stopped itself is told of its end.
func TestStoppedT120(t *testing.T) {
	asUser(t, "^TestStoppedT120$")
	sealift, image := busyboxImage(t)
	for _, flag := range []string{"--no-umask", "--no-pid"} { // process 1 of a namespace, --no-init, cannot stop itself
		for _, c := range []struct {
			script string
			want   int
		}{{"kill -STOP $$; exit 9", 143}, {"trap 'exit 7' TERM; kill -STOP $$; exit 9", 7}} {
			cmd := exec.Command(sealift, "exec", flag, image, "sh", "-c", c.script, "stopped-T120")
			cmd.Dir = "/"
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "a stopped payload", func() bool { return stopped("stopped-T120") })
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.want {
				t.Errorf("%s, %s: status %d", flag, c.script, code)
			}
		}
	}
}

// stopped says whether a process with a word in its command line is stopped.
func stopped(word string) bool {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, err := os.ReadFile(dir + "/cmdline")
		stat, err2 := os.ReadFile(dir + "/stat")
		if err == nil && err2 == nil && bytes.HasSuffix(line, []byte(word+"\x00")) && bytes.Contains(stat, []byte(") T ")) {
			return true
		}
	}
	return false
}

// TestBrokenPipeT112 loses the reader of its output: SIGPIPE for the payload, and no
// word of a stack.
func TestBrokenPipeT112(t *testing.T) {
	asUser(t, "^TestBrokenPipeT112$")
	sealift, image := busyboxImage(t)
	for _, script := range []string{"yes", "yes >&2", "echo x; sleep 0.2; echo y; echo z"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(sealift, "exec", image, "sh", "-c", script)
		cmd.Dir, cmd.Stdout, cmd.Stderr = "/", w, w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		head := make([]byte, 2)
		_, err = io.ReadFull(r, head)
		r.Close()
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); err != nil || code != 141 && code != 1 {
			t.Errorf("%s: %q, %v, status %d", script, head, err, code)
		}
	}
}

// TestStreamsT121 connects standard streams to what programs meet in batch systems.
func TestStreamsT121(t *testing.T) {
	asUser(t, "^TestStreamsT121$")
	sealift, image := busyboxImage(t)
	for name, c := range map[string]struct {
		script string // of the host; $0 is the program and $1 the image
		want   string
		code   int
	}{
		"closed input":     {`"$0" exec "$1" cat <&-`, "", 0},
		"no input":         {`"$0" exec "$1" cat </dev/null`, "", 0},
		"a file":           {`echo line > f; "$0" exec "$1" cat <f`, "line\n", 0},
		"a pipe":           {`echo line | "$0" exec "$1" cat`, "line\n", 0},
		"1 GiB":            {`head -c 1073741824 /dev/zero | "$0" exec "$1" wc -c`, "1073741824\n", 0},
		"256 MiB through":  {`head -c 268435456 /dev/zero | "$0" exec "$1" cat | wc -c`, "268435456\n", 0},
		"a full disk":      {`"$0" exec "$1" sh -c 'echo x || exit 9' >/dev/full 2>/dev/null`, "", 9},
		"a full disk, err": {`"$0" exec "$1" sh -c 'echo x >&2 || exit 9' 2>/dev/full`, "", 9},
		"the order":        {`"$0" exec "$1" sh -c 'for i in 1 2 3 4; do echo out$i; echo err$i >&2; done' 2>&1`, "out1\nerr1\nout2\nerr2\nout3\nerr3\nout4\nerr4\n", 0},
		"appended":         {`echo first > f; "$0" exec "$1" echo second >> f; cat f`, "first\nsecond\n", 0},
		"read and write":   {`echo input > f; "$0" exec "$1" sh -c 'read x; echo got $x >&0' 0<>f; cat f`, "input\ngot input\n", 0},
		"one byte each":    {`{ printf a; sleep 0.1; printf b; } | "$0" exec "$1" cat`, "ab", 0},
		"only what it is":  {`{ "$0" exec "$1" sh -c 'read x; echo $x'; cat; } < f3`, "one\n", 0},
		"a script session": {`TERM=dumb script -qec '"'"$0"'" exec "'"$1"'" tty' /dev/null </dev/null | tr -d '\r' | grep -c dev`, "1\n", 0},
	} {
		cmd := exec.Command("sh", "-c", c.script, sealift, image)
		cmd.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cmd.Dir, "f3"), []byte("one\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.Run() // the status tells
		if code := cmd.ProcessState.ExitCode(); code != c.code || out.String() != c.want {
			t.Errorf("%s: status %d, %q; want %d, %q", name, code, out.String(), c.code, c.want)
		}
	}
}

// TestTerminalT121 changes the terminal's size, and kills a payload that has set it
// to raw mode: it is as before then.
func TestTerminalT121(t *testing.T) {
	asUser(t, "^TestTerminalT121$")
	sealift, image := busyboxImage(t)
	x := startTerminal(t, sealift, "exec", image, "sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
	x.expect(t, "ready", 1)
	if err := pty.Setsize(x.tty, &pty.Winsize{Rows: 44, Cols: 111}); err != nil {
		t.Fatal(err)
	}
	x.expect(t, "44 111", 1)
	x.send(t, "\x03")
	x.exit(t, -1)

	x = startTerminal(t, sealift, "exec", image, "sh", "-c", "stty raw -echo; echo ready; exec sleep 100")
	x.expect(t, "ready", 1)
	raw, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS)
	if err != nil || raw.Lflag&unix.ECHO != 0 {
		t.Fatalf("echo is on: %v", err)
	}
	payload := childOf(childOf(x.Process.Pid))
	if err := syscall.Kill(payload, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	x.exit(t, 137)
	if after, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS); err != nil || after.Lflag&unix.ECHO == 0 || after.Lflag&unix.ICANON == 0 {
		t.Errorf("still raw: %v", err)
	}
}

// TestExitStatusT113 passes every status and every fatal signal through the command
// line. TestExitStatus and TestKilledBySignal of runtime/launch do so with and
// without an init, TestSignalsAreForwarded from outside.
func TestExitStatusT113(t *testing.T) {
	asUser(t, "^TestExitStatusT113$")
	for _, code := range []int{0, 1, 2, 63, 64, 124, 125, 126, 127, 128, 129, 137, 200, 254, 255} {
		if out, got := inContainer(t, nil, fmt.Sprint("exit ", code)); got != code {
			t.Errorf("%d became %d, %s", code, got, out)
		}
	}
	if _, got := inContainer(t, nil, "exit 300"); got != 300%256 {
		t.Errorf("300 became %d", got)
	}
	for _, n := range []int{1, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31} {
		if out, got := inContainer(t, nil, fmt.Sprintf("ulimit -c 0; kill -%d $$; exit 0", n)); got != 128+n {
			t.Errorf("signal %d became %d, %s", n, got, out)
		}
	}
}
