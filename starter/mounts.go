package main

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// rootName is the directory in the session that becomes the root directory.
const rootName = "root"

// sourceName is what mount tables show as the device of our file systems.
const sourceName = "sealift"

// startSession mounts the session's tmpfs on dir, which was opened as path.
//
// The mounts of this namespace become slaves of the host's: nothing we mount
// is seen outside, yet what the host mounts later, as autofs does on demand,
// still arrives (mount_namespaces(7)).
func (m *machine) startSession(dir int, path, data string) error {
	if m.session >= 0 || m.pivoted || dir < 0 {
		return unix.EINVAL
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount(sourceName, fdPath(dir), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return err
	}
	// dir is what the tmpfs covers; its path now leads to the tmpfs.
	var err error
	if m.session, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if err := m.propagation(unix.MS_UNBINDABLE); err != nil {
		return err
	}
	return unix.Mkdirat(m.session, rootName, parentMode)
}

// propagation sets that of the session's tmpfs. MS_UNBINDABLE leaves it, and
// the root below it, out when a host directory around it is bound.
func (m *machine) propagation(ms uintptr) error {
	return unix.Mount("", fdPath(m.session), "", ms, "")
}

// bindable calls mount while directories of the session can be bound, or used
// by an overlay, which for the kernel is the same.
func (m *machine) bindable(mount func() error) error {
	if m.session < 0 {
		return mount()
	}
	if err := m.propagation(unix.MS_PRIVATE); err != nil {
		return err
	}
	return errors.Join(mount(), m.propagation(unix.MS_UNBINDABLE))
}

// fuse mounts what launch serves. /dev/fuse is opened here because the kernel
// wants opener and mounter in the same user namespace (fuse(4)).
func (m *machine) fuse(index int, target, words string) error {
	f, err := parseFlags(words, flagAllowOther, flagSuid, flagRW, flagWait, flagKeep)
	if err != nil || f.ms != 0 {
		return unix.EINVAL
	}
	dev, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = m.mountFuse(dev, target, f)
	switch {
	case err != nil:
	case f.has(flagKeep):
		m.kept = append(m.kept, dev)
		return nil
	default:
		err = talk.Tell(m.report, &plan.Report{Stage: plan.StageFuse, Index: index}, dev)
	}
	// While this copy were open, the death of the server would go unnoticed.
	unix.Close(dev)
	if err != nil || !f.has(flagWait) {
		return err
	}
	at, err := m.open(target, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return served(fdPath(at))
}

// mountFuse mounts the FUSE file system of the descriptor dev.
func (m *machine) mountFuse(dev int, target string, f flagSet) error {
	at, err := m.mountPoint(target, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	data := "fd=" + strconv.Itoa(dev) + ",rootmode=40000,user_id=" + strconv.Itoa(unix.Getuid()) +
		",group_id=" + strconv.Itoa(unix.Getgid())
	if !f.has(flagRW) || f.has(flagAllowOther) {
		data += ",default_permissions"
	}
	if f.has(flagAllowOther) {
		data += ",allow_other"
	}
	flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV)
	if f.has(flagSuid) {
		flags &^= unix.MS_NOSUID
	}
	if f.has(flagRW) {
		flags &^= unix.MS_RDONLY
	}
	return unix.Mount(sourceName, fdPath(at), "fuse", flags, data)
}

// fill has launch write to a directory, and waits.
func (m *machine) fill(index int, target string) error {
	at, err := m.open(target, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	_, err = talk.Ask(m.report, &plan.Report{Stage: plan.StageFill, Index: index}, at)
	return err
}

func (m *machine) mount(fstype, target, words, data string) error {
	f, err := parseFlags(words)
	if err != nil {
		return err
	}
	at, err := m.mountPoint(target, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.Mount(sourceName, fdPath(at), fstype, f.ms, data)
}

// overlay mounts directories on top of each other. They are named through
// their descriptors, which no character in a name can break.
func (m *machine) overlay(dirs hosts, target, words string) error {
	f, err := parseFlags(words, flagOwn)
	if err != nil {
		return err
	}
	paths := make([]string, len(dirs))
	for i, d := range dirs {
		fd := d.fd
		if d.session != "" {
			if fd, err = m.open(d.session, unix.O_DIRECTORY); err != nil {
				return err
			}
			defer unix.Close(fd)
		}
		if fd < 0 {
			continue
		}
		paths[i] = fdPath(fd)
		if i < 2 && f.has(flagOwn) && !ours(fd) {
			return unix.EACCES
		}
	}
	// xino gives files and directories one device number; du -x and df stop
	// at files without it (overlayfs.rst of the kernel, "Inode properties"). An
	// index would refuse an upper directory that was used over other lower ones.
	data := "userxattr,xino=on,index=off,lowerdir=" + strings.Join(paths[2:], ":")
	if paths[0] != "" {
		data += ",upperdir=" + paths[0] + ",workdir=" + paths[1]
	}
	at, err := m.mountPoint(target, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return m.bindable(func() error { return unix.Mount(sourceName, fdPath(at), "overlay", f.ms, data) })
}

// ours says whether this user owns what fd is.
func ours(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && int(st.Uid) == unix.Geteuid()
}

func (m *machine) umount(target string) error {
	at, err := m.mountPoint(target, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.Unmount(fdPath(at), unix.MNT_DETACH)
}

// pivot enters the root. pivot_root(".", ".") stacks the old root on the new
// one, from where it is detached (pivot_root(2)).
func (m *machine) pivot() error {
	root, err := m.base("/")
	if err != nil || m.pivoted {
		return unix.EINVAL
	}
	defer m.forgetRoot("/")
	if err := unix.Fchdir(root); err != nil {
		return err
	}
	err = unix.PivotRoot(".", ".")
	switch err {
	case nil:
		err = unix.Unmount(".", unix.MNT_DETACH)
	case unix.EINVAL:
		// The old root is the initramfs, which cannot be pivoted away from
		// (pivot_root(2)); it is covered instead.
		if err = unix.Mount(".", "/", "", unix.MS_MOVE, ""); err == nil {
			err = unix.Chroot(".")
		}
	}
	if err != nil {
		return err
	}
	unix.Close(m.session)
	m.session, m.pivoted = -1, true
	return unix.Chdir("/")
}
