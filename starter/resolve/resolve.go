// Package resolve opens paths inside a directory as if it were the root directory
// (path_resolution(7)).
//
// Input: a descriptor of the directory, and a path that nobody has to have
// checked. Output: a descriptor of something in it. It must not print.
package resolve

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is the kernel's limit of symbolic links in one path
// (path_resolution(7)).
const maxLinks = 40

// Resolver opens paths inside a directory as if it were the root directory:
// neither .. nor any symbolic link leads out of it, and mount points lead to
// what was mounted last. The zero value is ready.
type Resolver struct {
	// walk resolves one component after the other, for kernels before 5.6,
	// which have no openat2(2).
	walk bool
}

// Open opens path under root with O_PATH and flags. The final component is
// followed, too.
func (r *Resolver) Open(root int, path string, flags int) (int, error) {
	flags |= unix.O_PATH | unix.O_CLOEXEC
	if r.walk {
		return walk(root, path, flags)
	}
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(root, path, &how)
		switch err {
		case unix.EAGAIN, unix.EINTR: // something was renamed or mounted meanwhile
			continue
		case unix.ENOSYS, unix.EPERM: // EPERM: seccomp filters older than the call
			r.walk = true
			return walk(root, path, flags)
		}
		return fd, err
	}
}

// walk is open without openat2(2).
func walk(root int, path string, flags int) (int, error) {
	w := walker{root: root}
	defer w.rewind()
	links := 0
	for todo := Components(path); len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			w.up()
			continue
		}
		target, err := w.down(name)
		if err != nil {
			return -1, err
		}
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return -1, unix.ELOOP
		}
		if target[0] == '/' {
			w.rewind()
		}
		todo = append(Components(target), todo...)
	}
	return w.result(flags)
}

// walker stands at a place under root. It keeps a descriptor of everything
// between, so that .. needs no look-up that somebody else could lead astray.
type walker struct {
	root  int
	stack []int
}

func (w *walker) place() int {
	if len(w.stack) == 0 {
		return w.root
	}
	return w.stack[len(w.stack)-1]
}

func (w *walker) up() {
	if n := len(w.stack); n > 0 {
		unix.Close(w.stack[n-1])
		w.stack = w.stack[:n-1]
	}
}

func (w *walker) rewind() {
	for len(w.stack) > 0 {
		w.up()
	}
}

// down goes to name. When that is a symbolic link, it stays where it is and
// returns the link's text.
func (w *walker) down(name string) (link string, err error) {
	fd, err := unix.Openat(w.place(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		w.stack = append(w.stack, fd)
		return "", nil
	}
	defer unix.Close(fd)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err == nil && n == 0 {
		err = unix.ENOENT
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// result returns a new descriptor of the place.
func (w *walker) result(flags int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(w.place(), &st); err != nil {
		return -1, err
	}
	if flags&unix.O_DIRECTORY != 0 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return -1, unix.ENOTDIR
	}
	return unix.FcntlInt(uintptr(w.place()), unix.F_DUPFD_CLOEXEC, 3)
}

// Components returns the names in path. What is empty or a dot is left out.
func Components(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}
