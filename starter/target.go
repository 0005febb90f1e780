package main

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/resolve"
)

// base returns the directory that target is resolved in, which stays open. That of
// the root is opened anew when something was mounted on it.
func (m *machine) base(target string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	var err error
	switch {
	case strings.HasPrefix(target, "@") && m.session >= 0:
		return m.session, nil
	case !strings.HasPrefix(target, "/") || m.session < 0 && !m.pivoted:
		return -1, unix.EINVAL
	case m.root >= 0:
	case m.pivoted:
		m.root, err = unix.Open("/", flags, 0)
	default:
		m.root, err = unix.Openat(m.session, rootName, flags, 0)
	}
	return m.root, err
}

// forgetRoot closes the directory that is the root if target is, which a mount is
// about to change.
func (m *machine) forgetRoot(target string) {
	if m.root >= 0 && (target == "@"+rootName || len(resolve.Components(target)) == 0) {
		unix.Close(m.root)
		m.root = -1
	}
}

// open opens target with O_PATH and flags.
func (m *machine) open(target string, flags int) (int, error) {
	base, err := m.base(target)
	if err != nil {
		return -1, err
	}
	return m.resolver.Open(base, "./"+target[1:], flags)
}

// mountPoint opens target with O_PATH and flags, to mount something there.
func (m *machine) mountPoint(target string, flags int) (int, error) {
	at, err := m.open(target, flags)
	m.forgetRoot(target)
	return at, err
}

// parent opens the directory of target, after making those that are missing,
// and returns it with target's last name.
func (m *machine) parent(target string) (dir int, name string, err error) {
	names := resolve.Components(target[1:])
	if len(names) == 0 || slices.Contains(names, "..") {
		return -1, "", unix.EINVAL
	}
	base, err := m.base(target)
	if err != nil {
		return -1, "", err
	}
	last := len(names) - 1
	dir, err = m.makeDir(base, names[:last], parentMode)
	return dir, names[last], err
}

// parentMode is the mode of directories that no operation asked for.
const parentMode = 0o755

// makeDir opens the directory names under base. When it is missing, it is made
// with mode, and so are its parents with parentMode.
func (m *machine) makeDir(base int, names []string, mode uint32) (int, error) {
	path := "./" + strings.Join(names, "/")
	fd, err := m.resolver.Open(base, path, unix.O_DIRECTORY)
	if err != unix.ENOENT || len(names) == 0 {
		return fd, err
	}
	last := len(names) - 1
	dir, err := m.makeDir(base, names[:last], parentMode)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, names[last], mode); err != nil {
		return -1, err // EEXIST: a symbolic link to nothing
	}
	return m.resolver.Open(base, path, unix.O_DIRECTORY)
}

// fdPath names fd for system calls that take paths only (proc_pid_fd(5)).
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
