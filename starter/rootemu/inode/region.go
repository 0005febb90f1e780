// Package inode tells files apart by what statx(2) says of them.
//
// Input: its answers. Output: whether a file is in a file system, and whether it
// is known to be plain.
package inode

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/filestat"
)

// Region is a part of the file tree: all of it, which the zero value is, or one
// file system.
type Region struct {
	limited      bool
	major, minor uint32
	mount        uint64
}

// StatMask asks for what identifies a file, and the mount that it is in.
const StatMask = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID

// RegionOf returns the file system that is mounted on dir, or everything when
// dir is empty.
func RegionOf(dir string) (Region, error) {
	if dir == "" {
		return Region{}, nil
	}
	var st unix.Statx_t
	if err := filestat.At(unix.AT_FDCWD, dir, unix.AT_NO_AUTOMOUNT, StatMask, &st); err != nil {
		return Region{}, err
	}
	return Region{true, st.Dev_major, st.Dev_minor, st.Mnt_id}, nil
}

// Limited says that there are files outside.
func (r *Region) Limited() bool { return r.limited }

// Holds tells whether a file is in the region, by what StatMask asks for. Its device tells, also where it
// is mounted once more; but in an overlay a file may have another one, which its
// mount makes up for (overlayfs.rst of the kernel, "Inode properties"). Linux
// before 5.8 does not tell mounts.
func (r *Region) Holds(st *unix.Statx_t) bool {
	if !r.limited {
		return true
	}
	return st.Dev_major == r.major && st.Dev_minor == r.minor || st.Mask&unix.STATX_MNT_ID != 0 && st.Mnt_id == r.mount
}
