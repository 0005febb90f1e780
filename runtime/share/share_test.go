package share

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/userdir"
	"github.com/sealift/sealift/starter/hold"
)

// envTask has the test binary be a task: it joins in the directory that the variable names,
// says so, and lives until its input ends.
const envTask = "SHARE_TEST_TASK"

func TestMain(m *testing.M) {
	dir := os.Getenv(envTask)
	if dir == "" {
		goleak.VerifyTestMain(m)
	}
	member, err := place(dir).Join(os.Stderr, func(*os.File) error { return errors.New("no server") })
	if err != nil {
		fmt.Println("error:", err, "hint:", hint.Of(err))
		os.Exit(1)
	}
	fmt.Println("in", len(member.Enter), member.Shows)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func place(dir string) Place { return At(userdir.Bases(uint32(os.Getuid()), dir)[0], "key") }

// node is the directory of a user on a node.
func node(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// testTask is a process that shares.
type testTask struct {
	*exec.Cmd
	in     io.Closer
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startTask(t *testing.T, dir string) *testTask {
	t.Helper()
	x := &testTask{Cmd: exec.Command(os.Args[0])}
	x.Env = append(os.Environ(), envTask+"="+dir)
	x.Stderr = &x.stderr
	in, err := x.StdinPipe()
	out, err2 := x.StdoutPipe()
	if err := errors.Join(err, err2, x.Start()); err != nil {
		t.Fatal(err)
	}
	x.in, x.out = in, bufio.NewReader(out)
	return x
}

// says is its next line.
func (x *testTask) says(t *testing.T) string {
	t.Helper()
	line, err := x.out.ReadString('\n')
	if err != nil {
		t.Errorf("the task says %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

// serve starts a server in this process, as a task would start one; end is closed at its end.
func serve(t *testing.T, dir string, ready func(s *Server)) (s *Server, end chan struct{}) {
	t.Helper()
	p := place(dir)
	end = make(chan struct{})
	err := p.start(func(l *os.File) error {
		fd, err := unix.Dup(int(l.Fd())) // as the program has one that is executed
		if err != nil {
			return err
		}
		if s, err = p.NewServer(os.NewFile(uintptr(fd), "listener")); err != nil {
			return err
		}
		s.Shows, s.Line = "files", func(err error) string { return "a line of " + err.Error() + "\n" }
		go func() {
			s.Run()
			close(end)
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ready(s)
	return s, end
}

func over(t *testing.T, end chan struct{}, dir string) {
	t.Helper()
	select {
	case <-end:
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not end")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLast has a server live as long as one of its tasks, however that ends.
func TestLast(t *testing.T) {
	dir := node(t)
	_, end := serve(t, dir, func(s *Server) {
		if err := s.Answer(os.Getpid()); err != nil { // this process has no namespaces of its own
			t.Error(err)
		}
	})
	var tasks []*testTask
	for range 8 {
		tasks = append(tasks, startTask(t, dir))
	}
	for _, x := range tasks {
		if got := x.says(t); got != "in 0 files" {
			t.Errorf("%q", got)
		}
	}
	for n, x := range tasks {
		select {
		case <-end:
			t.Fatal("the server has ended before its last task")
		default:
		}
		if n%2 == 0 {
			x.in.Close()
		} else if err := x.Process.Kill(); err != nil {
			t.Error(err)
		}
		x.Wait()
	}
	over(t, end, dir)
}

// TestFail has tasks that wait hear why, and those that run end with a line.
func TestFail(t *testing.T) {
	dir := node(t)
	_, first := serve(t, dir, func(s *Server) { s.Fail(hint.New("no device", "make one")) })
	x := startTask(t, dir)
	if got := x.says(t); got != "error: no device hint: make one" {
		t.Errorf("%q", got)
	}
	x.Wait()
	over(t, first, dir)

	s, end := serve(t, dir, func(s *Server) {
		if err := s.Answer(os.Getpid()); err != nil {
			t.Error(err)
		}
	})
	x = startTask(t, dir)
	x.says(t)
	s.mu.Lock()
	s.user = hold.User{} // that of this process, which is not to be killed
	s.mu.Unlock()
	s.Fail(errors.New("the image is gone"))
	if err := x.Wait(); err == nil || err.Error() != "signal: killed" || x.stderr.String() != "a line of the image is gone\n" {
		t.Errorf("%v, %q", err, x.stderr.String())
	}
	over(t, end, dir)
}

// TestEndsOne has the files of one task fail: the others go on.
func TestEndsOne(t *testing.T) {
	dir := node(t)
	s, end := serve(t, dir, func(s *Server) {
		if err := s.Answer(os.Getpid()); err != nil {
			t.Error(err)
		}
	})
	x, other := startTask(t, dir), startTask(t, dir)
	x.says(t)
	other.says(t)
	s.mu.Lock()
	var of *task
	for t := range s.tasks {
		if t.pid == x.Process.Pid {
			of = t
		}
	}
	s.mu.Unlock()
	s.endOne(of, errors.New("damage"))
	if err := x.Wait(); err == nil || err.Error() != "signal: killed" || x.stderr.String() != "a line of damage\n" {
		t.Errorf("%v, %q", err, x.stderr.String())
	}
	other.in.Close()
	if err := other.Wait(); err != nil || other.stderr.Len() > 0 {
		t.Errorf("%v, %q", err, other.stderr.String())
	}
	over(t, end, dir)
}

// TestStale starts where servers were killed, in the same place and another.
func TestStale(t *testing.T) {
	dir := node(t)
	for _, key := range []string{"key", "other"} {
		p := place(dir)
		p.key = key
		d, err := p.open(true)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.listen()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		d.close()
	}
	x := startTask(t, dir)
	if got := x.says(t); !strings.Contains(got, "start the process that serves the image to the tasks of this job step: no server hint: ") {
		t.Errorf("%q", got)
	}
	x.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestDies has servers die at once, before they answer.
func TestDies(t *testing.T) {
	dir := node(t)
	var started atomic.Int32
	_, err := place(dir).Join(os.Stderr, func(*os.File) error {
		started.Add(1)
		return nil // the listener is closed
	})
	if err == nil || !strings.Contains(err.Error(), "ends before it does") || hint.Of(err) == "" || started.Load() != spawns {
		t.Errorf("%v after %d", err, started.Load())
	}
}

// TestNobodyComes has a server end that no task comes to.
func TestNobodyComes(t *testing.T) {
	dir := node(t)
	s, end := serve(t, dir, func(*Server) {})
	s.last()
	over(t, end, dir)
}
