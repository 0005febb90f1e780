package rootemu

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/rootemu/memory"
)

// creation is a file to be made by a process: in which directory, under which
// name, whose.
type creation struct {
	dir   *file
	name  string
	owner owner.Record
}

// creating finds out whether a file that the process is about to make would be
// root's, and returns nil then, or when there is no such directory in the
// region: the kernel does the rest. A directory with the set-group-ID bit gives its group
// (inode(7)).
func (w *worker) creating(l lookup) (*creation, *creds.Creds, error) {
	c, err := w.creds()
	if err != nil {
		return nil, nil, err
	}
	p, err := w.at(l)
	if err != nil {
		return nil, &c, nil
	}
	fd, base, ok := p.split()
	if !ok {
		return nil, &c, nil
	}
	m := &creation{dir: &file{fd: fd}, name: base, owner: owner.Record{UID: c.User.FS, GID: c.Group.FS}}
	if err := m.dir.stat(); err != nil || !w.region.Holds(&m.dir.st) {
		m.dir.close()
		return nil, &c, nil
	}
	if m.dir.st.Mode&unix.S_ISGID != 0 {
		r, err := w.record(m.dir)
		if err != nil {
			m.dir.close()
			return nil, nil, err
		}
		m.owner.GID = r.GID
	}
	return m, &c, nil
}

// make makes the file with f and writes down its owner. What f makes gets the
// mask of the process.
func (w *worker) make(m *creation, f func() error) error {
	if err := w.listener.Valid(w.id); err != nil {
		return err
	}
	mask, err := w.umask()
	if err != nil {
		return err
	}
	unix.Umask(mask)
	if err := f(); err != nil {
		return err
	}
	fd, err := unix.Openat(m.dir.fd, m.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	made := &file{fd: fd}
	defer made.close()
	if err := made.stat(); err != nil {
		return err
	}
	return w.setRecord(made, m.owner)
}

// simply answers a call that makes something and returns 0.
func (w *worker) simply(l lookup, make func(m *creation) error) answer {
	m, _, err := w.creating(l)
	if err != nil {
		return failed(err)
	}
	if m == nil {
		return carryOn()
	}
	defer m.dir.close()
	if m.owner.Root() {
		return carryOn()
	}
	return failed(w.make(m, func() error { return make(m) }))
}

// umask returns the process's mask (proc_pid_status(5), since Linux 4.7).
func (w *worker) umask() (int, error) {
	fd, err := unix.Openat(w.procfs, w.proc("status"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b[:n], []byte("\nUmask:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	mask, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 8, 9)
	return int(mask), err
}

func mkdir(w *worker, a *[6]uint64) answer { return w.mkdir(unix.AT_FDCWD, a[0], a[1]) }
func mkdirat(w *worker, a *[6]uint64) answer {
	return w.mkdir(int32(a[0]), a[1], a[2])
}

func (w *worker) mkdir(dir int32, path, perm uint64) answer {
	return w.simply(lookup{dir: dir, path: path}, func(m *creation) error {
		return unix.Mkdirat(m.dir.fd, m.name, mode(perm))
	})
}

func symlink(w *worker, a *[6]uint64) answer { return w.symlink(a[0], unix.AT_FDCWD, a[1]) }
func symlinkat(w *worker, a *[6]uint64) answer {
	return w.symlink(a[0], int32(a[1]), a[2])
}

func (w *worker) symlink(text uint64, dir int32, path uint64) answer {
	return w.simply(lookup{dir: dir, path: path}, func(m *creation) error {
		target, err := memory.String(w.pid, text, unix.PathMax)
		if err != nil {
			return err
		}
		return unix.Symlinkat(target, m.dir.fd, m.name)
	})
}

func mknod(w *worker, a *[6]uint64) answer { return w.mknod(unix.AT_FDCWD, a[0], a[1], a[2]) }
func mknodat(w *worker, a *[6]uint64) answer {
	return w.mknod(int32(a[0]), a[1], a[2], a[3])
}

// mknod makes an empty file in place of a device node, and writes down what it
// stands for. A character device 0:0 is a whiteout, for which the kernel has
// rules of its own.
func (w *worker) mknod(dir int32, path, perm, dev uint64) answer {
	l := lookup{dir: dir, path: path}
	kind := mode(perm) & unix.S_IFMT
	if kind != unix.S_IFBLK && (kind != unix.S_IFCHR || uint32(dev) == 0) {
		return w.simply(l, func(m *creation) error {
			return unix.Mknodat(m.dir.fd, m.name, mode(perm), 0)
		})
	}
	m, c, err := w.creating(l)
	if err != nil {
		return failed(err)
	}
	if m == nil {
		return carryOn()
	}
	defer m.dir.close()
	if !c.Privileged() {
		return failed(unix.EPERM)
	}
	m.owner.Type, m.owner.Rdev = kind, uint32(dev)
	return failed(w.make(m, func() error {
		return unix.Mknodat(m.dir.fd, m.name, unix.S_IFREG|mode(perm)&0o7777, 0)
	}))
}
