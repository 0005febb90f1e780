package share

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/hold"
	"github.com/sealift/sealift/starter/plan"
)

// Server is what the tasks of a key share: it knows who they are, and ends with the last.
type Server struct {
	// Serve serves a FUSE file system that a task has mounted on target, as launch.Job has
	// it.
	Serve func(target string, fd int, image []plan.Op) error
	// Shows is what the image shows that the holder has mounted.
	Shows string

	place    Place
	listener *os.File
	ready    chan struct{} // closed when tasks can be answered
	end      chan struct{} // closed when the last task has ended, or nothing can be shared
	once     sync.Once

	mu     sync.Mutex
	answer welcome
	spaces []*os.File
	user   hold.User // that of the holder
	tasks  map[*task]bool
	came   bool // there has been a task
	ended  bool // no task is taken any more
}

// task is one that shares.
type task struct {
	pid    int
	handle *os.File // of pidfd_open(2)
	stderr *os.File
	inside bool // it has been let in
}

// firstTask is how long a server waits for the task that has started it.
const firstTask = 10 * time.Second

// NewServer returns a server that listens at a socket which Join has made.
func (p Place) NewServer(listener *os.File) (*Server, error) {
	if err := unix.SetNonblock(int(listener.Fd()), true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	// Only now is it one that the runtime's poller knows.
	fd, err := unix.FcntlInt(listener.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	listener.Close()
	return &Server{
		place: p, listener: os.NewFile(uintptr(fd), socketName), tasks: map[*task]bool{},
		ready: make(chan struct{}), end: make(chan struct{}),
	}, nil
}

// Run takes tasks until the last one has ended. Answer or Fail says what they hear.
func (s *Server) Run() {
	late := time.AfterFunc(firstTask, s.last)
	defer late.Stop()
	go s.accept()
	<-s.end
}

// Answer lets tasks enter the namespaces of the process pid, the holder.
func (s *Server) Answer(pid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, err := hold.Of(strconv.Itoa(pid))
	if err != nil {
		return err
	}
	s.answer, s.user = welcome{Shows: s.Shows}, user
	for _, k := range kinds {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, k.file))
		if err != nil {
			return err
		}
		own, err := os.Stat("/proc/self/ns/" + k.file)
		theirs, err2 := f.Stat()
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if os.SameFile(own, theirs) {
			f.Close()
			continue
		}
		s.answer.Kinds, s.spaces = append(s.answer.Kinds, byte(k.kind)), append(s.spaces, f)
	}
	s.once.Do(func() { close(s.ready) })
	return nil
}

// Fail tells tasks that wait why there is nothing to share, and ends those that run: each
// standard error of theirs gets the line.
func (s *Server) Fail(err error, line string) {
	s.mu.Lock()
	s.answer = welcome{Error: strings.ReplaceAll(err.Error(), "\n", "; "), Hint: hint.Of(err)}
	told := map[[2]uint64]bool{}
	for t := range s.tasks {
		if !t.inside {
			continue // it hears why
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(t.stderr.Fd()), &st); err == nil && !told[[2]uint64{uint64(st.Dev), st.Ino}] {
			told[[2]uint64{uint64(st.Dev), st.Ino}] = true
			fmt.Fprint(t.stderr, line)
		}
		_ = unix.PidfdSendSignal(int(t.handle.Fd()), unix.SIGKILL, nil, 0) // unless it has ended
	}
	idle := len(s.tasks) == 0 && s.came // else one is on its way, to hear why
	s.once.Do(func() { close(s.ready) })
	user := s.user
	s.mu.Unlock()
	if user != (hold.User{}) {
		hold.KillAll(user)
	}
	if idle {
		s.last()
	}
}

// accept takes connections.
func (s *Server) accept() {
	raw, err := s.listener.SyscallConn()
	for err == nil {
		var fd int
		var got error
		err = raw.Read(func(l uintptr) bool {
			fd, _, got = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return got != unix.EAGAIN
		})
		switch {
		case err != nil:
		case got == nil:
			go s.take(os.NewFile(uintptr(fd), "task"))
		case got == unix.EMFILE || got == unix.ENFILE || got == unix.ENOMEM:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// take answers a task, and stays with it until it has ended.
func (s *Server) take(conn *os.File) {
	defer conn.Close()
	t, err := s.meet(conn)
	if err != nil {
		return // who it was hears of the end of the connection
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		t.close()
		return // it starts another server
	}
	s.tasks[t], s.came = true, true
	s.mu.Unlock()
	<-s.ready
	if s.welcome(t, conn) == nil {
		go s.reports(conn)
		t.wait()
	}
	t.close()
	s.mu.Lock()
	delete(s.tasks, t)
	idle := len(s.tasks) == 0
	s.mu.Unlock()
	if idle {
		s.last()
	}
}

// meet hears what a task says first.
func (s *Server) meet(conn *os.File) (*task, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) { peer, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || got != nil {
		return nil, errors.Join(err, got)
	}
	// As long as it waits for an answer, its number is its own.
	pidfd, err := unix.PidfdOpen(int(peer.Pid), unix.PIDFD_NONBLOCK)
	if err == unix.EINVAL { // Linux 5.3 to 5.9
		if pidfd, err = unix.PidfdOpen(int(peer.Pid), 0); err == nil {
			err = unix.SetNonblock(pidfd, true)
		}
	}
	if err != nil {
		return nil, err
	}
	t := &task{pid: int(peer.Pid), handle: os.NewFile(uintptr(pidfd), "task")}
	text, fds, err := receive(conn)
	if err != nil || len(fds) != 1 || int(peer.Uid) != os.Getuid() {
		closeAll(fds)
		t.handle.Close()
		return nil, errors.Join(err, errors.New("that is no task"))
	}
	t.stderr = os.NewFile(uintptr(fds[0]), "stderr")
	var h hello
	if err := decode(text, &h); err != nil || h.Version != formatVersion {
		t.close()
		return nil, errors.Join(err, errors.New("that is no task of this version"))
	}
	return t, nil
}

// welcome answers.
func (s *Server) welcome(t *task, conn *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.inside = s.answer.Error == ""
	var fds []int
	if t.inside {
		for _, f := range s.spaces {
			fds = append(fds, int(f.Fd()))
		}
	}
	return send(conn, s.answer, fds...)
}

// reports receives what the task says, and then its starter: which file systems it has
// mounted itself.
func (s *Server) reports(conn *os.File) {
	var o own
	for {
		text, fds, err := receive(conn)
		if err != nil {
			return // it runs, or has ended
		}
		r, err := plan.ParseReport(text)
		target, is := o.Targets[r.Index]
		switch {
		case err != nil:
			err = decode(text, &o)
		case r.Stage == plan.StageFuse && is && len(fds) == 1:
			go func() { _ = s.Serve(target, fds[0], o.Image) }() // whose end the task notices
			continue
		}
		closeAll(fds)
		if err != nil {
			return
		}
	}
}

// wait waits for the end of the task.
func (t *task) wait() {
	raw, err := t.handle.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

func (t *task) close() {
	t.handle.Close()
	if t.stderr != nil {
		t.stderr.Close()
	}
}

// last ends the server if there is no task, and none on its way.
func (s *Server) last() {
	d, err := s.place.open(false)
	if err == nil {
		defer d.close()
		if d.lock() == nil {
			defer d.unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tasks) > 0 || s.ended {
		return
	}
	s.ended = true
	if d != nil {
		s.place.remove(d)
	}
	s.listener.Close()
	close(s.end)
}
