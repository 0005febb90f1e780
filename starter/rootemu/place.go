package rootemu

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/memory"
)

// place is a file as a path for this thread, after enter or atFD has set the
// thread's root and working directory.
type place struct {
	name   string
	follow bool // the final component, should it be a symbolic link
}

// lookup is how a system call names a file.
type lookup struct {
	dir    int32 // a descriptor, or AT_FDCWD
	path   uint64
	follow bool
	empty  bool // AT_EMPTY_PATH: without a path it is dir itself
}

// at returns the file that a thread of the payload names. Its path is resolved
// from its own root and working directory, which this thread takes over.
func (w *worker) at(l lookup) (place, error) {
	if l.path == 0 && l.empty {
		return w.atFD(l.dir)
	}
	name, err := memory.String(w.pid, l.path, unix.PathMax)
	switch {
	case err != nil:
		return place{}, err
	case name == "" && l.empty:
		return w.atFD(l.dir)
	case name == "":
		return place{}, unix.ENOENT
	}
	if err := w.enter(l.dir, strings.HasPrefix(name, "/")); err != nil {
		return place{}, err
	}
	return place{w.ownProc(name), l.follow}, nil
}

// atFD returns the file that is open as fd in the process.
func (w *worker) atFD(fd int32) (place, error) {
	name := w.proc("cwd")
	if fd != unix.AT_FDCWD {
		name = w.proc("fd/" + strconv.Itoa(int(fd)))
	}
	err := unix.Fchdir(w.procfs)
	return place{name, true}, err
}

// proc names a file in the process's directory of procfs.
func (w *worker) proc(name string) string { return strconv.Itoa(w.pid) + "/" + name }

// enter gives this thread the root directory of the process and, unless the
// path is absolute, the working directory that dir means.
func (w *worker) enter(dir int32, absolute bool) error {
	if err := unix.Fchdir(w.procfs); err != nil {
		return err
	}
	if err := unix.Chroot(w.proc("root")); err != nil {
		return err
	}
	if absolute {
		return nil
	}
	if dir == unix.AT_FDCWD {
		return unix.Chdir(w.proc("cwd"))
	}
	err := unix.Chdir(w.proc("fd/" + strconv.Itoa(int(dir))))
	if err == unix.ENOENT {
		return unix.EBADF
	}
	return err
}

// ownProc rewrites paths that procfs would resolve for this process instead of
// the one in question.
func (w *worker) ownProc(name string) string {
	for _, p := range [...]struct{ prefix, to string }{
		{"/proc/self/", "/proc/" + w.proc("")},
		{"/proc/thread-self/", "/proc/" + w.proc("")},
		{"/dev/fd/", "/proc/" + w.proc("fd/")},
	} {
		if rest, ok := strings.CutPrefix(name, p.prefix); ok {
			return p.to + rest
		}
	}
	for i, std := range [...]string{"/dev/stdin", "/dev/stdout", "/dev/stderr"} {
		if name == std {
			return "/proc/" + w.proc("fd/"+strconv.Itoa(i))
		}
	}
	return name
}

// open opens p with O_PATH, which needs no permission on the file and has no
// effect on it.
func (p place) open() (int, error) {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if !p.follow {
		flags |= unix.O_NOFOLLOW
	}
	return unix.Open(p.name, flags, 0)
}

// split opens the directory that p, a name to be made, is in. ok is false when
// the name is none that can be made: the kernel knows what to say then.
func (p place) split() (dir int, base string, ok bool) {
	name := strings.TrimRight(p.name, "/")
	base = path.Base(name)
	if name == "" || base == "." || base == ".." {
		return -1, "", false
	}
	parent := name[:len(name)-len(base)]
	if parent == "" {
		parent = "."
	}
	dir, err := unix.Open(parent, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return dir, base, err == nil
}
