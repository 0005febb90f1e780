// Package filestat asks for what statx(2) tells, also where that call is missing.
//
// Input: its arguments. Output: its answer, or as much as fstatat(2) knows of it:
// then there are no attributes, such as that of a mount point, and no times but those
// of the last changes. It decides about no file.
package filestat

import "golang.org/x/sys/unix"

// At is statx(2). Filters of system calls that are older than it answer for it with
// one of two errors, neither of which is its own.
func At(dir int, name string, flags, mask int, st *unix.Statx_t) error {
	err := unix.Statx(dir, name, flags, mask, st)
	if err != unix.ENOSYS && err != unix.EPERM {
		return err
	}
	return old(dir, name, flags, st)
}

func old(dir int, name string, flags int, st *unix.Statx_t) error {
	var o unix.Stat_t
	if err := unix.Fstatat(dir, name, &o, flags); err != nil {
		return err
	}
	*st = unix.Statx_t{
		Mask: unix.STATX_BASIC_STATS, Mode: uint16(o.Mode), Nlink: uint32(o.Nlink), Uid: o.Uid, Gid: o.Gid,
		Ino: o.Ino, Size: uint64(o.Size), Blocks: uint64(o.Blocks), Blksize: uint32(o.Blksize),
		Atime: timestamp(o.Atim), Mtime: timestamp(o.Mtim), Ctime: timestamp(o.Ctim),
		Dev_major: unix.Major(o.Dev), Dev_minor: unix.Minor(o.Dev), Rdev_major: unix.Major(o.Rdev), Rdev_minor: unix.Minor(o.Rdev),
	}
	return nil
}

func timestamp(t unix.Timespec) unix.StatxTimestamp {
	return unix.StatxTimestamp{Sec: t.Sec, Nsec: uint32(t.Nsec)}
}
