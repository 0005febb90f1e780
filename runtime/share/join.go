package share

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/plan"
)

// Member is a task that shares.
type Member struct {
	// Enter are the namespaces to enter.
	Enter []join.Namespace
	// Shows is what the image shows that the holder has mounted.
	Shows string

	conn int
}

// attempts is how often a server is looked for that ends at that moment, or started that
// does not live.
const attempts = 20

// spawns is how often this process starts a server.
const spawns = 2

// Join has this process share. Its standard error is for what is to be said of the end of
// all; spawn starts a server that listens at a socket.
func (p Place) Join(stderr *os.File, spawn func(listener *os.File) error) (*Member, error) {
	spawned := 0
	for n := range attempts {
		m, err := p.join(stderr)
		if !gone(err) {
			return m, err
		}
		if spawned == spawns {
			break
		}
		if n > 0 {
			time.Sleep(time.Duration(n) * time.Millisecond)
		}
		err = p.start(func(l *os.File) error {
			spawned++
			return spawn(l)
		})
		if err != nil && !gone(err) {
			return nil, err
		}
	}
	return nil, hint.New("the process that serves the image to the tasks of this job step ends before it does",
		"see what it says above, or start with --share=off")
}

// gone says that there is no server, or that it has just ended.
func gone(err error) bool {
	for _, e := range []error{fs.ErrNotExist, unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, io.EOF, errMoved} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// start starts a server unless there is one.
func (p Place) start(spawn func(*os.File) error) error {
	d, err := p.open(true)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.lock(); err != nil {
		return err
	}
	defer d.unlock()
	if fd, err := d.dial(); err == nil {
		unix.Close(fd) // which the server takes for a task that has ended
		return nil
	}
	l, err := d.listen()
	if err != nil {
		return err
	}
	defer l.Close()
	p.sweep(d)
	if err := spawn(l); err != nil {
		p.remove(d)
		return hint.Wrap(fmt.Errorf("start the process that serves the image to the tasks of this job step: %w", err),
			"check the limits of processes and memory (ulimit -a), or start with --share=off")
	}
	return nil
}

// join connects and waits for the answer.
func (p Place) join(stderr *os.File) (*Member, error) {
	d, err := p.open(false)
	if err != nil {
		return nil, err
	}
	defer d.close()
	fd, err := d.dial()
	if err != nil {
		return nil, err
	}
	conn := os.NewFile(uintptr(fd), socketName)
	defer conn.Close()
	if err := send(conn, hello{formatVersion}, int(stderr.Fd())); err != nil {
		return nil, err
	}
	text, fds, err := receive(conn)
	if err != nil {
		return nil, err
	}
	var w welcome
	if err := decode(text, &w); err != nil || len(fds) != len(w.Kinds) {
		closeAll(fds)
		return nil, errors.Join(err, errors.New("the answer of the process that serves the image is malformed"))
	}
	if w.Error != "" {
		return nil, hint.Wrap(errors.New(w.Error), "%s", w.Hint)
	}
	m := &Member{Shows: w.Shows}
	for i, kind := range w.Kinds {
		m.Enter = append(m.Enter, join.Namespace{Kind: enter.Kind(kind), File: os.NewFile(uintptr(fds[i]), "namespace")})
	}
	if m.conn, err = unix.FcntlInt(conn.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		m.Close()
		return nil, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return m, nil
}

// Mount has the server serve what this task's plan mounts itself: image is what its image
// shows.
func (m *Member) Mount(task *plan.Plan, image []plan.Op) error {
	o := own{Image: image, Targets: map[int]string{}}
	for n, op := range task.Ops {
		if op.Verb == plan.Fuse {
			o.Targets[n] = op.Args[0]
		}
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = unix.Sendmsg(m.conn, text, nil, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return fmt.Errorf("tell the process that serves the image what this task's shows: %w", err)
	}
	return nil
}

// Close leaves.
func (m *Member) Close() {
	for _, n := range m.Enter {
		n.File.Close()
	}
	unix.Close(m.conn)
}
