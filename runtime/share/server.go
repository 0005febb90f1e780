package share

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/starter/enter"
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
	// Line is what the standard errors of tasks get that an error ends.
	Line func(error) string

	place    Place
	listener *os.File
	ready    chan struct{} // closed when tasks can be answered
	end      chan struct{} // closed when the last task has ended, or nothing can be shared
	once     sync.Once

	mu     sync.Mutex
	answer welcome
	spaces *join.Namespaces
	user   hold.User // that of the holder
	tasks  map[*task]bool
	came   bool // there has been a task
	ended  bool // no task is taken any more
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
	// It is a child of this process, which knows of its end.
	if s.spaces, err = join.Open(pid, func() error { return nil }); err != nil {
		return err
	}
	s.answer, s.user = welcome{Shows: s.Shows}, user
	for _, n := range s.spaces.List {
		if n.Kind == enter.Mount {
			n.Kind = enter.Copied
		}
		s.answer.Kinds = append(s.answer.Kinds, byte(n.Kind))
	}
	s.once.Do(func() { close(s.ready) })
	return nil
}

// Fail tells tasks that wait why there is nothing to share, and ends those that run.
func (s *Server) Fail(err error) {
	s.mu.Lock()
	s.answer = welcome{Error: strings.ReplaceAll(err.Error(), "\n", "; "), Hint: hint.Of(err)}
	hear := stop(slices.Collect(maps.Keys(s.tasks))...)
	idle := len(s.tasks) == 0 && s.came // else one is on its way, to hear why
	s.once.Do(func() { close(s.ready) })
	user := s.user
	s.mu.Unlock()
	if user != (hold.User{}) {
		hold.KillAll(user)
	}
	s.tell(hear, err)
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
	t, err := meet(conn)
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
		go s.reports(t, conn)
		t.wait()
	}
	s.mu.Lock()
	delete(s.tasks, t)
	idle := len(s.tasks) == 0
	s.mu.Unlock()
	t.close() // not before, or Fail might signal to who has its descriptor's number next
	if idle {
		s.last()
	}
}

// welcome answers.
func (s *Server) welcome(t *task, conn *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.inside = s.answer.Error == ""
	var fds []int
	if t.inside {
		for _, n := range s.spaces.List {
			fds = append(fds, int(n.File.Fd()))
		}
	}
	return send(conn, s.answer, fds...)
}

// reports receives what the task says, and then its starter: which file systems it has
// mounted itself.
func (s *Server) reports(t *task, conn *os.File) {
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
			go func() {
				if err := s.Serve(target, fds[0], o.Image); err != nil {
					s.endOne(t, err)
				}
			}()
			continue
		}
		closeAll(fds)
		if err != nil {
			return
		}
	}
}

// endOne ends a task whose files cannot be served any more.
func (s *Server) endOne(t *task, err error) {
	s.mu.Lock()
	var hear []*os.File
	if s.tasks[t] { // else its descriptors are closed
		hear = stop(t)
	}
	s.mu.Unlock()
	s.tell(hear, err)
}

// tell says on standard errors what has ended tasks, and closes them. A pipe that nobody
// reads may take as long as it likes: nothing is locked, and the tasks have ended.
func (s *Server) tell(hear []*os.File, err error) {
	for _, f := range hear {
		fmt.Fprint(f, s.Line(err))
		f.Close()
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
