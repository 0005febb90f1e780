package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/memory"
)

func open(w *worker, a *[6]uint64) answer {
	return w.open(unix.AT_FDCWD, a[0], uint32(a[1]), a[2])
}

func openat(w *worker, a *[6]uint64) answer {
	return w.open(int32(a[0]), a[1], uint32(a[2]), a[3])
}

func creat(w *worker, a *[6]uint64) answer {
	return w.open(unix.AT_FDCWD, a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, a[1])
}

// openat2 reads what the filter cannot see. A call that restricts how the path
// is resolved is the kernel's.
func openat2(w *worker, a *[6]uint64) answer {
	const howSize = 24 // struct open_how (openat2(2)): flags, mode, resolve
	b := make([]byte, howSize)
	if a[3] < howSize || memory.Read(w.pid, a[2], b) != nil {
		return carryOn()
	}
	flags, mode, resolve := native.Uint64(b), native.Uint64(b[8:]), native.Uint64(b[16:])
	if flags&unix.O_CREAT == 0 || resolve != 0 {
		return carryOn()
	}
	return w.open(int32(a[0]), a[1], uint32(flags), mode)
}

// open makes a file that would not be root's in the process's place, and hands
// it the descriptor. When the file exists, the kernel opens it.
func (w *worker) open(dir int32, path uint64, flags uint32, perm uint64) answer {
	m, _, err := w.creating(lookup{dir: dir, path: path})
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
	fd := -1
	err = w.make(m, func() (err error) {
		how := int(flags) | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err = unix.Openat(m.dir.fd, m.name, how, mode(perm)&0o7777)
		return err
	})
	if fd >= 0 {
		defer unix.Close(fd)
	}
	switch {
	case err == unix.EEXIST:
		return carryOn()
	case err != nil:
		return failed(err)
	}
	value, sent, err := w.listener.Give(w.id, fd, flags&unix.O_CLOEXEC != 0)
	if err != nil {
		return failed(err)
	}
	return answer{value: int64(value), sent: sent}
}
