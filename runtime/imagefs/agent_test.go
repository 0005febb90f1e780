package imagefs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
)

// The tests mount in a child: this binary again, in a mount namespace and
// mostly a user namespace of its own. It mounts, sends the device's descriptor
// here, where it is served, and then runs the calls it is asked for. A process
// must not use a file system that it serves.

const agentEnv = "IMAGEFS_TEST_AGENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(agentEnv); dir != "" {
		if err := agentMain(dir); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(fixtureDir())
		os.Exit(code)
	}))
}

// need fails the test on CI and skips it elsewhere.
func need(t testing.TB, err error, what string) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %v", what, err)
	default:
		t.Skipf("%s: %v", what, err)
	}
}

// ids says in which namespaces and under which id an agent runs.
type ids struct {
	hostRoot bool // no user namespace
	inside   int  // the one id that is mapped
}

var (
	asRoot     = ids{hostRoot: true}
	asUserRoot = ids{inside: 0}
	asUser     = ids{inside: 1000}
)

type agent struct {
	t      testing.TB
	cmd    *exec.Cmd
	conn   *net.UnixConn
	enc    *json.Encoder
	dec    *json.Decoder
	server *Server
	served chan error // the result of Serve
}

type call struct {
	Name string
	Args []string
}

type result struct {
	Value json.RawMessage
	Err   string
}

// mount serves the image at path in a new agent until the test ends.
func mount(t testing.TB, who ids, path string, o Options) *agent {
	t.Helper()
	return serve(t, who, newServer(t, path, o))
}

func newServer(t testing.TB, path string, o Options) *Server {
	t.Helper()
	s, err := New(open(t, path), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, path string) *squashfs.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := squashfs.Open(f, info.Size(), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func serve(t testing.TB, who ids, s *Server) *agent {
	t.Helper()
	a := start(t, who)
	fd, err := receiveFD(a.conn)
	need(t, err, "mount a FUSE file system in a namespace")
	a.server = s
	go func() { a.served <- s.Serve(fd) }()
	return a
}

// start runs an agent up to the point where it has mounted.
func start(t testing.TB, who ids) *agent {
	t.Helper()
	if who.hostRoot && os.Getuid() != 0 {
		t.Skip("needs root")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "agent")
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), agentEnv+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if !who.hostRoot {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: who.inside, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: who.inside, HostID: os.Getgid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	need(t, cmd.Start(), "start a process in namespaces")
	ours := os.NewFile(uintptr(pair[0]), "agent")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{
		t: t, cmd: cmd, conn: conn.(*net.UnixConn), served: make(chan error, 1),
		enc: json.NewEncoder(conn), dec: json.NewDecoder(conn),
	}
	t.Cleanup(a.stop)
	return a
}

// stop ends the agent, with which the mount goes, and with that Serve.
func (a *agent) stop() {
	a.conn.Close()
	a.cmd.Wait()
	if a.server != nil {
		a.wait()
	}
}

// wait returns Serve's result.
func (a *agent) wait() error {
	a.t.Helper()
	select {
	case err := <-a.served:
		a.served <- err
		return err
	case <-time.After(10 * time.Second):
		a.t.Fatal("Serve does not end")
		return nil
	}
}

// do has the agent run a function of agentCalls and returns its error.
func (a *agent) do(value any, name string, args ...string) error {
	a.t.Helper()
	a.conn.SetDeadline(time.Now().Add(60 * time.Second))
	if err := a.enc.Encode(call{name, args}); err != nil {
		a.t.Fatal(err)
	}
	var r result
	if err := a.dec.Decode(&r); err != nil {
		a.t.Fatal(err)
	}
	if r.Err != "" {
		return errors.New(r.Err)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(r.Value, value)
}

// must is do for what has to succeed.
func (a *agent) must(value any, name string, args ...string) {
	a.t.Helper()
	if err := a.do(value, name, args...); err != nil {
		a.t.Fatalf("%s %q: %v", name, args, err)
	}
}

func receiveFD(conn *net.UnixConn) (int, error) {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, n, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return -1, fmt.Errorf("no descriptor came: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// agentMain is the child: it mounts on dir and then serves calls.
func agentMain(dir string) error {
	conn, err := net.FileConn(os.NewFile(3, "parent"))
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions,allow_other",
		fd, os.Getuid(), os.Getgid())
	if err := unix.Mount("image", dir, "fuse", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
		return err
	}
	unix.Close(fd)
	enc, dec := json.NewEncoder(conn), json.NewDecoder(conn)
	for {
		var c call
		if err := dec.Decode(&c); err != nil {
			return nil // the parent is done
		}
		value, err := agentCalls[c.Name](dir, c.Args)
		r := result{}
		if err != nil {
			r.Err = err.Error()
		} else if r.Value, err = json.Marshal(value); err != nil {
			return err
		}
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
}
