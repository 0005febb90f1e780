package main

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/mountinfo"
)

// bindOld is bindOn for kernels before 5.2, with mount(2), which cannot set
// flags on a bind mount while it makes it: they follow, mount by mount.
func (m *machine) bindOld(source, at int, target string, f flagSet) error {
	err := unix.Mount(fdPath(source), fdPath(at), "", unix.MS_BIND|unix.MS_REC, "")
	if err != nil || f.ms == 0 {
		return err
	}
	return m.remount(target, f.ms)
}

// remount adds flags to the mounts at and below target.
func (m *machine) remount(target string, ms uintptr) error {
	mounts, err := m.mountsAt(target)
	if err != nil {
		return err
	}
	for _, sub := range mounts {
		err := unix.Mount("", sub.Point, "", unix.MS_REMOUNT|unix.MS_BIND|ms|flagsOf(sub.Options), "")
		// What this user cannot reach, the payload cannot either.
		if err != nil && err != unix.EACCES && err != unix.ENOENT {
			return err
		}
	}
	return nil
}

// mountsAt lists the topmost mount on target and everything mounted below it.
func (m *machine) mountsAt(target string) ([]mountinfo.Mount, error) {
	at, err := m.open(target, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	id, err := mountID(at)
	if err != nil {
		return nil, err
	}
	table, err := readProc("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return mountinfo.Below(mountinfo.Parse(table), id), nil
}

// maxProc bounds what is read of a file in /proc: a mount table of some 100,000
// lines.
const maxProc = 16 << 20

func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, maxProc)
}

// mountID returns the id of the mount that fd is on (proc_pid_fdinfo(5)).
func mountID(fd int) (int, error) {
	info, err := readProc("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(info, []byte("mnt_id:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	id, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		return 0, unix.EINVAL
	}
	return id, nil
}

// flagsOf translates the options of one mount to flags of mount(2). A remount
// that left out one that a user namespace locked would be refused.
func flagsOf(options string) (ms uintptr) {
	for word := range strings.SplitSeq(options, ",") {
		for _, k := range mountFlags() {
			if k.word == word {
				ms |= k.ms
			}
		}
		switch word {
		case "noatime":
			ms |= unix.MS_NOATIME
		case "nodiratime":
			ms |= unix.MS_NODIRATIME
		case "relatime":
			ms |= unix.MS_RELATIME
		}
	}
	return ms
}
