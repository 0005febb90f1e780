package instance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/userdir"
)

// Instance is one that is there, or has left something to read.
type Instance struct {
	*State
	// Job is the number of the batch system's job that it is of, or "none".
	Job string
	// Out and Err are the paths of the log files.
	Out, Err string

	base   userdir.Base
	uid    uint32
	own    bool // it is this process's user's
	root   *os.Root
	locked bool
	lock   *os.File
}

// open opens the instance of a name. Its state is not read.
func open(b userdir.Base, uid uint32, job, name string) (i *Instance, err error) {
	top, err := b.Open(directory, false)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	up, err := userdir.Below(top, job, uid, false)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	i = &Instance{Job: job, base: b, uid: uid, Out: file(b, job, name, name+".out"), Err: file(b, job, name, name+".err")}
	if i.root, err = userdir.Below(up, name, uid, false); err != nil {
		return nil, err
	}
	if i.lock, err = i.openFile(lockFile, os.O_RDWR); err != nil {
		i.Close()
		return nil, err
	}
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(i.lock.Fd(), unix.F_OFD_GETLK, &l); err != nil {
		i.Close()
		return nil, fmt.Errorf("look at the lock of instance %s: %w", name, err)
	}
	i.locked = l.Type != unix.F_UNLCK
	return i, nil
}

// openFile opens a file of the instance: a regular one of the user's alone.
func (i *Instance) openFile(name string, flags int) (*os.File, error) {
	f, err := i.root.OpenFile(name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err == nil {
		err = userdir.Check(f, i.uid)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read reads the state.
func (i *Instance) read(name string) error {
	f, err := i.openFile(stateFile, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err == nil && len(text) > maxState {
		err = fmt.Errorf("its state is larger than %d bytes", maxState)
	}
	if err == nil {
		i.State, err = parse(text, name)
	}
	return err
}

// Close frees i.
func (i *Instance) Close() {
	if i.lock != nil {
		i.lock.Close()
	}
	i.root.Close()
}

// Alive says whether somebody supervises it.
func (i *Instance) Alive() bool { return i.locked }

// List returns the instances whose names match pattern (path.Match), sorted by name in
// each job; those that have failed only with ended. What nobody supervises and nobody can
// have use of is removed. The problems are with what is not listed for its state cannot
// be trusted. Each must be closed.
func (s *Store) List(pattern string, ended bool) (list []*Instance, problems []error, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, nil, hint.Wrap(fmt.Errorf("%q: %w", pattern, err), "use * for any letters, ? for one, and [abc] for one of these")
	}
	for n, b := range s.bases {
		root, err := b.Open(directory, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil && n > 0 { // somebody else may have made it, to be in the way
			problems = append(problems, err)
			continue
		}
		if err != nil {
			return list, problems, err
		}
		jobs, err := s.jobs(root)
		for _, job := range jobs {
			found, wrong := s.listJob(b, root, job, pattern, ended)
			list, problems = append(list, found...), append(problems, wrong...)
		}
		root.Close()
		if err != nil {
			return list, problems, err
		}
	}
	return list, problems, nil
}

// listJob lists the instances of a job in an open directory of instances.
func (s *Store) listJob(b userdir.Base, root *os.Root, job, pattern string, ended bool) (list []*Instance, problems []error) {
	up, err := userdir.Below(root, job, s.uid, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	defer up.Close()
	all, err := names(up)
	if err != nil {
		problems = append(problems, err)
	}
	for _, name := range all {
		if match, _ := path.Match(pattern, name); !match || CheckName(name) != nil {
			continue
		}
		i, err := s.look(b, root, up, job, name, ended)
		if err != nil {
			problems = append(problems, fmt.Errorf("instance %s in %s: %w", name, file(b, job, name), err))
		} else if i != nil {
			list = append(list, i)
		}
	}
	return list, problems
}

// look returns an instance, or nil when there is none any more.
func (s *Store) look(b userdir.Base, top, up *os.Root, job, name string, ended bool) (*Instance, error) {
	i, err := open(b, s.uid, job, name)
	if errors.Is(err, fs.ErrNotExist) {
		up.Remove(name) // unless it is being made: what is in use is not empty
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i.own = os.Geteuid() == int(s.uid)
	err = i.read(name)
	if i.locked {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is being started
			err = nil
		case err == nil && i.Host != s.host: // as seen from within a container
		case err == nil:
			if err = i.supervised(); err == nil {
				return i, nil
			}
		}
		i.Close()
		return nil, err
	}
	if err == nil && i.Status == Ended {
		if ended {
			return i, nil
		}
		i.Close()
		return nil, nil
	}
	defer i.Close()
	if !i.own {
		return nil, nil
	}
	return nil, remove(top, job, name, s.uid)
}

// supervised fails unless the supervisor that the state names is the one that has the
// lock. Where the kernel does not let this process look, its start time has to do.
func (i *Instance) supervised() error {
	h, err := i.Supervisor.Open(i.uid)
	if err != nil {
		return err
	}
	defer h.Close()
	want, err := i.lock.Stat()
	if err != nil {
		return err
	}
	dir := filepath.Join("/proc", strconv.Itoa(i.Supervisor.PID), "fd")
	fds, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	for _, fd := range fds {
		if got, err := os.Stat(filepath.Join(dir, fd.Name())); err == nil && os.SameFile(want, got) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not supervise it", i.Supervisor.PID)
}

// remove removes what is left of an instance, unless somebody has taken the name. The
// directory top is that of all jobs.
func remove(top *os.Root, job, name string, uid uint32) error {
	c := &Claim{Name: name, job: job}
	var err error
	if c.top, err = top.OpenRoot("."); err == nil {
		c.up, err = userdir.Below(top, job, uid, false)
	}
	if err == nil {
		err = c.take(uid)
	}
	if err == nil {
		return c.Remove()
	}
	c.Close()
	if hint.Of(err) != "" || errors.Is(err, errMoved) || errors.Is(err, fs.ErrNotExist) {
		return nil // somebody has it, or has removed it
	}
	return err
}

// UID is whose it is.
func (i *Instance) UID() uint32 { return i.uid }
