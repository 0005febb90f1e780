package main

import (
	"strings"

	"golang.org/x/sys/unix"
)

// bind binds the tree of mounts at source, an O_PATH descriptor, on target.
// source is -1 when it was missing or, with the flag session, when name is a
// path in the session directory.
func (m *machine) bind(source int, name, target, words string) error {
	f, err := parseFlags(words, flagTry, flagSession, flagOwn)
	if err != nil {
		return err
	}
	if f.has(flagSession) {
		if source, err = m.open("@"+strings.TrimPrefix(name, "@"), 0); err != nil {
			return unless(f.has(flagTry) && missing(err), err)
		}
		defer unix.Close(source)
		return m.bindable(func() error { return m.bindOn(source, target, f) })
	}
	if source < 0 {
		return nil // missing, and openHosts lets that pass with try only
	}
	return m.bindOn(source, target, f)
}

func (m *machine) bindOn(source int, target string, f flagSet) error {
	at, err := m.mountPoint(target, 0)
	if err != nil {
		return unless(f.has(flagTry) && missing(err), err)
	}
	defer unix.Close(at)
	if f.has(flagOwn) && !ours(source) {
		return unix.EACCES
	}
	err = m.bindTree(source, at, target, f)
	if err != nil && !sameKind(source, at) {
		return unix.ENOTDIR // for which system calls have different errors
	}
	return err
}

func (m *machine) bindTree(source, at int, target string, f flagSet) error {
	const clone = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH | unix.AT_RECURSIVE
	tree, err := unix.OpenTree(source, "", clone)
	if unsupported(err) {
		return m.bindOld(source, at, target, f)
	}
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return m.attach(tree, at, target, f)
}

func unless(fine bool, err error) error {
	if fine {
		return nil
	}
	return err
}

// sameKind tells whether both are directories, or neither is.
func sameKind(source, at int) bool {
	var s, a unix.Stat_t
	return unix.Fstat(source, &s) == nil && unix.Fstat(at, &a) == nil &&
		(s.Mode&unix.S_IFMT == unix.S_IFDIR) == (a.Mode&unix.S_IFMT == unix.S_IFDIR)
}

// attach sets the flags on a detached tree and mounts it on at: at no time is
// it visible without them, unless the kernel is older than 5.12 and has no
// mount_setattr(2).
func (m *machine) attach(tree, at int, target string, f flagSet) error {
	late := false
	if f.attr != 0 {
		set := unix.MountAttr{Attr_set: f.attr}
		err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &set)
		if late = unsupported(err); err != nil && !late {
			return err
		}
	}
	const empty = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(tree, "", at, "", empty); err != nil || !late {
		return err
	}
	return m.remount(target, f.ms)
}

// unsupported says that a system call does not exist. EPERM is what seccomp
// filters older than a call return.
func unsupported(err error) bool { return err == unix.ENOSYS || err == unix.EPERM }
