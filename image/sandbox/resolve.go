package sandbox

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one name may lead through, as in the
// kernel (path_resolution(7)).
const maxLinks = 40

// resolver opens names below a directory and never anything outside it.
type resolver struct {
	root *os.File
	// walkOnly does without openat2(2), as on kernels before 5.6.
	walkOnly bool
}

// how says what symbolic links mean.
type how int

const (
	follow  how = iota // resolve them as if root were /
	noFinal            // likewise, but open the last component itself
	noLinks            // fail with ELOOP at any
)

// open opens name, which is relative, with the flags of open(2).
func (r resolver) open(name string, flags int, h how) (int, error) {
	flags |= unix.O_CLOEXEC
	if r.walkOnly {
		return r.walk(name, flags, h)
	}
	resolve := uint64(unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS)
	switch h {
	case noFinal:
		flags |= unix.O_NOFOLLOW
	case noLinks:
		resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS
	}
	// EAGAIN means that a rename elsewhere made the kernel unsure about "..".
	for range 64 {
		fd, err := unix.Openat2(int(r.root.Fd()), name, &unix.OpenHow{Flags: uint64(flags), Resolve: resolve})
		switch err {
		case unix.EINTR, unix.EAGAIN:
		case unix.ENOSYS, unix.ENAMETOOLONG:
			return r.walk(name, flags, h)
		default:
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// walk is open without openat2: component by component, on descriptors.
func (r resolver) walk(name string, flags int, h how) (int, error) {
	w := walker{dirs: []int{int(r.root.Fd())}, parts: strings.Split(name, "/")}
	defer w.pop(0)
	for len(w.parts) > 0 {
		part := w.parts[0]
		w.parts = w.parts[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			w.pop(len(w.dirs) - 2)
			continue
		}
		if final, err := w.step(part, h); err != nil {
			return -1, err
		} else if final {
			return openat(w.top(), part, flags|unix.O_NOFOLLOW)
		}
	}
	return openat(w.top(), ".", flags&^unix.O_NOFOLLOW)
}

// walker is a walk under way: the directories from the root to here, and the
// components still to go.
type walker struct {
	dirs  []int
	parts []string
	links int
}

func (w *walker) top() int { return w.dirs[len(w.dirs)-1] }

// pop closes the directories below depth; the root stays.
func (w *walker) pop(depth int) {
	keep := max(depth, 0) + 1
	for _, fd := range w.dirs[min(keep, len(w.dirs)):] {
		_ = unix.Close(fd) // an O_PATH descriptor has nothing to report
	}
	w.dirs = w.dirs[:min(keep, len(w.dirs))]
}

// step enters one component. It returns true when that is the last one, to be
// opened as it is.
func (w *walker) step(part string, h how) (final bool, err error) {
	fd, err := openat(w.top(), part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return false, err
	}
	last := len(w.parts) == 0
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFLNK && (!last || h != noFinal):
		defer unix.Close(fd)
		return false, w.link(fd, h)
	case last:
		return true, unix.Close(fd)
	case kind != unix.S_IFDIR:
		_ = unix.Close(fd)
		return false, unix.ENOTDIR
	}
	w.dirs = append(w.dirs, fd)
	return false, nil
}

// link puts the target of a symbolic link before the components to go.
func (w *walker) link(fd int, h how) error {
	w.links++
	if h == noLinks || w.links > maxLinks {
		return unix.ELOOP
	}
	target, err := readlink(fd)
	if err != nil {
		return err
	}
	if strings.HasPrefix(target, "/") {
		w.pop(0)
	}
	w.parts = append(strings.Split(target, "/"), w.parts...)
	return nil
}

// readlink returns the target of the symbolic link that fd (O_PATH) is.
func readlink(fd int) (string, error) { return readlinkat(fd, "") }

// readlinkat returns the target of a symbolic link.
func readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// openat is openat(2), repeated when a signal interrupts it.
func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
