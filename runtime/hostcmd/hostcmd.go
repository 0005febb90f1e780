// Package hostcmd runs named programs of the host for programs of a container.
//
// Input: the names, where the host's programs are, and calls that come over a socket in a
// directory that the container sees, with the caller's streams as descriptors. Output: the
// programs' exit statuses. Arguments reach a program as they are: no shell sees them. It
// starts nothing that was not named, reads no environment, and decides nothing about the
// container.
package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// SocketName is the socket's name in the directory of a server, and Commands the directory
// there that has a link for each command. ClientName is what these lead to: the program
// that asks the server, which is to be mounted there.
const (
	SocketName = "socket"
	Commands   = "bin"
	ClientName = "client"
)

// Find returns the absolute paths of the programs with these names, which search, a PATH,
// leads to.
func Find(names []string, search string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
			return nil, hint.New(fmt.Sprintf("%q is not the name of a command", name), "name commands of the host by their names, such as srun,sbatch")
		}
		for _, dir := range filepath.SplitList(search) {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				found[name] = path
				break
			}
		}
		if found[name] == "" {
			return nil, hint.New(fmt.Sprintf("the host has no command %s in PATH", name), "load the module that has it, or leave it out")
		}
	}
	return found, nil
}

// Server runs commands.
type Server struct {
	programs map[string]string
	listener *net.UnixListener
	host     []string // its environment
	dir      string   // its working directory
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// Prepare makes what the container is to see of a server in the empty directory dir.
func Prepare(dir string, programs map[string]string) (*Server, error) {
	errs := []error{os.Mkdir(filepath.Join(dir, Commands), 0o755), os.WriteFile(filepath.Join(dir, ClientName), nil, 0o755)}
	for name := range programs {
		errs = append(errs, os.Symlink("../"+ClientName, filepath.Join(dir, Commands, name)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, SocketName), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the directory goes as a whole
	return &Server{programs: programs, listener: l}, nil
}

// Serve answers calls until Close, in the background. Programs get the environment host
// with the changes since a payload started with first, and the directory dir where the
// caller's is not on the host.
func (s *Server) Serve(host, first []string, dir string) {
	s.host, s.dir = host, dir
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() {
		for {
			conn, err := s.listener.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(10 * time.Millisecond) // no descriptors are left, perhaps
				continue
			}
			s.running.Go(func() {
				defer conn.Close()
				s.call(ctx, conn, first)
			})
		}
	})
}

// Close ends the server, and the programs that still run: by SIGTERM, and after a while by
// SIGKILL.
func (s *Server) Close() error {
	err := s.listener.Close()
	if s.cancel != nil {
		s.cancel()
		s.running.Wait()
	}
	return err
}

// refused is the status of a call that came to nothing.
const refused = 126

// call makes one call.
func (s *Server) call(ctx context.Context, conn *net.UnixConn, first []string) {
	if uid, err := peer(conn); err != nil || uid != uint32(os.Getuid()) {
		return // another user's, who cannot even see the socket
	}
	stop := context.AfterFunc(ctx, func() { conn.CloseRead() }) // which a caller may keep waiting
	defer stop()
	c, streams, err := receive(conn)
	if err != nil {
		answer(conn, refused, err.Error())
		return
	}
	path, named := s.programs[c.Name]
	if !named {
		closeAll(streams)
		answer(conn, 127, fmt.Sprintf("%s is not a command of the host that --host-cmd names", c.Name))
		return
	}
	cmd := &exec.Cmd{
		Path: path, Args: append([]string{c.Name}, c.Args...), Env: Environ(s.host, first, c.Env), Dir: s.workDir(c.Dir),
		Stdin: streams[0], Stdout: streams[1], Stderr: streams[2],
		// In a session of its own, terminals do not stop it, and the caller alone sends it signals.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	runtime.LockOSThread() // whose end would be taken for the parent's
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	closeAll(streams)
	if err != nil {
		answer(conn, refused, err.Error())
		return
	}
	ended := make(chan struct{})
	go s.pass(conn, cmd.Process, ended)
	_ = cmd.Wait() // the state says it
	close(ended)
	answer(conn, status(cmd.ProcessState), "")
}

// workDir returns the directory that a program starts in.
func (s *Server) workDir(dir string) string {
	for _, dir := range []string{dir, s.dir} {
		if info, err := os.Stat(dir); filepath.IsAbs(dir) && err == nil && info.IsDir() {
			return dir
		}
	}
	return "/"
}

// patience is how long a program may take to end after SIGTERM.
const patience = 5 * time.Second

// pass sends a program the signals that its caller gets. When the caller is gone, and with
// it the connection, the program is to end.
func (s *Server) pass(conn io.Reader, p *os.Process, ended <-chan struct{}) {
	signals := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, signals); err != nil {
			break
		}
		_ = p.Signal(syscall.Signal(signals[0])) // it may have ended
	}
	select {
	case <-ended:
		return
	default:
	}
	for _, n := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		_ = p.Signal(n)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		_ = p.Kill()
	}
}

// status returns a program's exit status, as a shell has it.
func status(state *os.ProcessState) int {
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return state.ExitCode()
}
