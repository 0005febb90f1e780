package main

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// base opens the directory that target is resolved in. It is opened anew for
// each operation, because an earlier one may have mounted on it.
func (m *machine) base(target string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	switch {
	case strings.HasPrefix(target, "@") && m.session >= 0:
		return unix.Openat(m.session, ".", flags, 0)
	case strings.HasPrefix(target, "/") && m.session >= 0:
		return unix.Openat(m.session, rootName, flags, 0)
	case strings.HasPrefix(target, "/") && m.pivoted:
		return unix.Open("/", flags, 0)
	}
	return -1, unix.EINVAL
}

// open opens target with O_PATH and flags.
func (m *machine) open(target string, flags int) (int, error) {
	base, err := m.base(target)
	if err != nil {
		return -1, err
	}
	defer unix.Close(base)
	return m.resolver.open(base, "./"+target[1:], flags)
}

// parent opens the directory of target, after making those that are missing,
// and returns it with target's last name.
func (m *machine) parent(target string) (dir int, name string, err error) {
	names := components(target[1:])
	if len(names) == 0 || slices.Contains(names, "..") {
		return -1, "", unix.EINVAL
	}
	base, err := m.base(target)
	if err != nil {
		return -1, "", err
	}
	defer unix.Close(base)
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
	fd, err := m.resolver.open(base, path, unix.O_DIRECTORY)
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
	return m.resolver.open(base, path, unix.O_DIRECTORY)
}

// fdPath names fd for system calls that take paths only (proc_pid_fd(5)).
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
