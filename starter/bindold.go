package main

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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
		err := unix.Mount("", sub.point, "", unix.MS_REMOUNT|unix.MS_BIND|ms|sub.flags, "")
		// What this user cannot reach, the payload cannot either.
		if err != nil && err != unix.EACCES && err != unix.ENOENT {
			return err
		}
	}
	return nil
}

// mountsAt lists the topmost mount on target and everything mounted below it.
func (m *machine) mountsAt(target string) ([]mountInfo, error) {
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
	return subtree(parseMounts(table), id), nil
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

// mountInfo is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mountInfo struct {
	id, parent int
	point      string
	// flags are those the mount has. A remount that left out one that a user
	// namespace locked would be refused.
	flags uintptr
}

func parseMounts(table []byte) []mountInfo {
	var mounts []mountInfo
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 6 {
			continue
		}
		id, err := strconv.Atoi(f[0])
		parent, err2 := strconv.Atoi(f[1])
		if err != nil || err2 != nil {
			continue
		}
		mounts = append(mounts, mountInfo{id, parent, unescape(f[4]), keptFlags(f[5])})
	}
	return mounts
}

// subtree returns the mount id and everything mounted below it.
func subtree(all []mountInfo, id int) []mountInfo {
	in := map[int]bool{id: true}
	var sub []mountInfo
	for grown := true; grown; {
		grown = false
		for i := range all {
			c := &all[i]
			if c.id >= 0 && (c.id == id || in[c.parent]) {
				in[c.id], grown = true, true
				sub = append(sub, *c)
				c.id = -1
			}
		}
	}
	return sub
}

// keptFlags translates the options of one mount to flags of mount(2).
func keptFlags(options string) (ms uintptr) {
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

// unescape undoes the octal escapes of mount tables: \040 is a space.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
