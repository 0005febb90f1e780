package instance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/userdir"
)

// The files of an instance.
const (
	lockFile  = "lock"
	stateFile = "state"
	stopFile  = "stop"
)

// Claim is the right to a name, until the process that has it ends or gives it up.
type Claim struct {
	Name string
	// Out and Err are the paths of the log files.
	Out, Err string

	root *os.Root // the directory of the instance
	up   *os.Root // that of the job
	top  *os.Root // that of all jobs
	job  string
	lock *os.File
}

// Claim takes the name of an instance. What a former one of the name has left is removed.
func (s *Store) Claim(name string) (*Claim, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	job := cmp.Or(s.job, noJob)
	for _, b := range s.bases[1:] {
		if held(b, s.uid, job, name) {
			return nil, exists(name)
		}
	}
	b := s.bases[0]
	top, err := b.Open(directory, true)
	if err != nil {
		return nil, err
	}
	for {
		c := &Claim{Name: name, top: top, job: job, Out: file(b, job, name, name+".out"), Err: file(b, job, name, name+".err")}
		if c.up, err = userdir.Below(top, job, s.uid, true); err == nil {
			err = c.take(s.uid)
		}
		if err == nil {
			return c, c.clear(lockFile)
		}
		if !errors.Is(err, errMoved) && !errors.Is(err, fs.ErrNotExist) { // somebody has removed it meanwhile
			c.Close()
			return nil, err
		}
		if c.up != nil {
			c.up.Close()
		}
	}
}

func exists(name string) error {
	return hint.New("instance "+name+" already exists", "choose another name, or end it: sealift instance stop %s", name)
}

// held says whether somebody has a name in another base.
func held(b userdir.Base, uid uint32, job, name string) bool {
	e, err := open(b, uid, job, name)
	if err != nil {
		return false
	}
	defer e.Close()
	return e.locked
}

// errMoved says that a directory or a lock is not the one that is to be found any more.
var errMoved = errors.New("removed meanwhile")

// take makes the directory, and locks it.
func (c *Claim) take(uid uint32) (err error) {
	if c.root, err = userdir.Below(c.up, c.Name, uid, true); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errMoved
		}
		return err
	}
	c.lock, err = c.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err == nil {
		err = lock(c.lock)
	}
	if err == nil {
		err = c.current()
	}
	if err != nil {
		c.root.Close()
		if c.lock != nil {
			c.lock.Close()
		}
		c.root, c.lock = nil, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errMoved
	case errors.Is(err, unix.EAGAIN):
		return exists(c.Name)
	}
	return err
}

// lock locks a file for as long as this process has it open. EAGAIN: somebody else does.
func lock(f *os.File) error {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// current fails when the lock is not the file that others would find.
func (c *Claim) current() error {
	mine, err := c.lock.Stat()
	if err != nil {
		return err
	}
	found, err := c.up.Lstat(c.Name + "/" + lockFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, found) {
		return errMoved
	}
	return err
}

// clear removes the files of the instance but kept ones.
func (c *Claim) clear(keep ...string) error {
	list, err := names(c.root)
	for _, name := range list {
		if len(keep) > 0 && name == keep[0] {
			continue
		}
		err = errors.Join(err, c.root.RemoveAll(name))
	}
	return err
}

// Write replaces the state.
func (c *Claim) Write(s *State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	const temporary = stateFile + ".new"
	f, err := c.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the state of instance %s: %w", c.Name, err)
	}
	return c.root.Rename(temporary, stateFile)
}

// Stopping says whether somebody has asked for the instance's end.
func (c *Claim) Stopping() bool {
	_, err := c.root.Lstat(stopFile)
	return err == nil
}

// Remove gives the name up, and removes all files.
func (c *Claim) Remove() error {
	err := c.clear(lockFile)
	// The lock goes last: until then nobody else gets it.
	err = errors.Join(err, c.root.Remove(lockFile))
	// Somebody may have it in the meantime, or have removed the directory.
	if e := c.up.Remove(c.Name); !errors.Is(e, unix.ENOTEMPTY) && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	c.top.Remove(c.job) // unless there are others
	c.Close()
	return err
}

// Close gives the name up, and leaves what there is to read.
func (c *Claim) Close() {
	if c.lock != nil {
		c.lock.Close()
	}
	for _, root := range []*os.Root{c.root, c.up, c.top} {
		if root != nil {
			root.Close()
		}
	}
}
