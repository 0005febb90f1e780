package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/userdir"
	"github.com/sealift/sealift/starter/hold"
)

// Names below a directory of the user.
const (
	shareDir   = "share"
	socketName = hold.Socket
)

// dir is the directory of a key.
type dir struct {
	up   *os.Root // that of all keys
	self *os.File
	key  string
}

// open opens the directory of the place; create makes what is missing.
func (p Place) open(create bool) (*dir, error) {
	up, err := p.base.Open(shareDir, create)
	if err != nil {
		return nil, err
	}
	root, err := userdir.Below(up, p.key, uint32(os.Getuid()), create)
	if err != nil {
		up.Close()
		return nil, err
	}
	defer root.Close()
	self, err := root.Open(".")
	if err != nil {
		up.Close()
		return nil, err
	}
	return &dir{up, self, p.key}, nil
}

func (d *dir) close() {
	d.self.Close()
	d.up.Close()
}

// socket is the path of the socket: one that is short enough for bind(2).
func (d *dir) socket() string {
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.self.Fd())), socketName)
}

// errMoved says that the directory is not the one that is to be found any more.
var errMoved = errors.New("removed meanwhile")

// lock waits for the lock of the directory, which lasts until unlock or close.
func (d *dir) lock() error {
	for {
		err := unix.Flock(int(d.self.Fd()), unix.LOCK_EX)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("lock %s: %w", d.self.Name(), err)
		}
		break
	}
	mine, err := d.self.Stat()
	if err != nil {
		return err
	}
	found, err := d.up.Lstat(d.key)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, found) {
		return errMoved
	}
	return err
}

func (d *dir) unlock() { _ = unix.Flock(int(d.self.Fd()), unix.LOCK_UN) }

// remove removes the socket and the directory, whose lock this process has, and that of
// all keys if this was the last one.
func (p Place) remove(d *dir) {
	_ = unix.Unlinkat(int(d.self.Fd()), socketName, 0)
	_ = unix.Unlinkat(int(d.self.Fd()), hold.Mounts, unix.AT_REMOVEDIR) // whatever is mounted there for others
	_ = d.up.Remove(d.key)
	_ = os.Remove(filepath.Join(p.base.Path(), shareDir)) // unless there are others
	_ = os.Remove(p.base.Path())                          // unless there are instances
}

// sweep removes what servers have left that were killed, but for d.
func (p Place) sweep(d *dir) {
	f, err := d.up.Open(".")
	if err != nil {
		return
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		if name != d.key {
			hold.Sweep(filepath.Join(p.base.Path(), shareDir, name))
		}
	}
}

// Path returns the path of the directory.
func (p Place) Path() string { return filepath.Join(p.base.Path(), shareDir, p.key) }

// Mounts returns the path of the directory in which the holder mounts.
func (p Place) Mounts() string { return filepath.Join(p.Path(), hold.Mounts) }

// listen makes the socket, in the place of one that nobody listens at.
func (d *dir) listen() (*os.File, error) {
	err := unix.Unlinkat(int(d.self.Fd()), socketName, 0)
	if err != nil && err != unix.ENOENT {
		return nil, fmt.Errorf("remove the socket that was left: %w", err)
	}
	if err := unix.Mkdirat(int(d.self.Fd()), hold.Mounts, 0o700); err != nil && err != unix.EEXIST {
		return nil, fmt.Errorf("make a directory in %s: %w", d.self.Name(), err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), socketName)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: d.socket()}); err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("make the socket in %s: %w", d.self.Name(), err)
	}
	return f, nil
}

// backlog is how many tasks may wait to be heard; the kernel may allow less
// (/proc/sys/net/core/somaxconn), and others wait then, too.
const backlog = 4096

// dial connects to the server. ENOENT and ECONNREFUSED are that there is none.
func (d *dir) dial() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for {
		if err = unix.Connect(fd, &unix.SockaddrUnix{Name: d.socket()}); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
