package rootemu

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/filestat"
	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/inode"
	"github.com/sealift/sealift/starter/rootemu/memory"
)

// stat answers stat(2) and lstat(2).
func stat(follow bool) handler {
	return func(w *worker, a *[6]uint64) answer {
		return w.stat(lookup{unix.AT_FDCWD, a[0], follow, false}, a[1])
	}
}

func fstat(w *worker, a *[6]uint64) answer {
	return w.stat(lookup{dir: int32(a[0]), empty: true}, a[1])
}

func newfstatat(w *worker, a *[6]uint64) answer {
	return w.stat(lookupAt(a[0], a[1], a[3]), a[2])
}

func lookupAt(dir, path, flags uint64) lookup {
	return lookup{int32(dir), path, flags&unix.AT_SYMLINK_NOFOLLOW == 0, flags&unix.AT_EMPTY_PATH != 0}
}

// stat stores what the kernel says, with the owner of the record. Whatever is
// not about a file with a record is for the kernel, errors included.
func (w *worker) stat(l lookup, buf uint64) answer {
	f, r := w.recorded(l)
	if f == nil {
		return carryOn()
	}
	defer f.close()
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return failed(err)
	}
	st.Uid, st.Gid = r.UID, r.GID
	if r.Type != 0 {
		st.Mode, st.Rdev = st.Mode&^unix.S_IFMT|r.Type, uint64(r.Rdev)
	}
	return w.store(buf, bytesOf(&st))
}

func statx(w *worker, a *[6]uint64) answer {
	f, r := w.recorded(lookupAt(a[0], a[1], a[2]))
	if f == nil {
		return carryOn()
	}
	defer f.close()
	var st unix.Statx_t
	flags := int(int32(a[2]))&(unix.AT_STATX_FORCE_SYNC|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT) | unix.AT_EMPTY_PATH
	if err := unix.Statx(f.fd, "", flags, int(uint32(a[3])), &st); err != nil {
		return failed(err)
	}
	st.Uid, st.Gid = r.UID, r.GID
	if r.Type != 0 {
		st.Mode = st.Mode&^unix.S_IFMT | uint16(r.Type)
		st.Rdev_major, st.Rdev_minor = unix.Major(uint64(r.Rdev)), unix.Minor(uint64(r.Rdev))
	}
	return w.store(a[4], bytesOf(&st))
}

func (w *worker) store(addr uint64, b []byte) answer {
	if err := w.listener.Valid(w.id); err != nil {
		return failed(err)
	}
	return failed(memory.Write(w.pid, addr, b))
}

// recorded returns the file that l names when its owner is not who the kernel
// says, or nil.
func (w *worker) recorded(l lookup) (*file, owner.Record) {
	p, err := w.at(l)
	if err != nil {
		return nil, owner.Record{}
	}
	flags := unix.AT_NO_AUTOMOUNT
	if !p.follow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	var st unix.Statx_t
	err = filestat.At(unix.AT_FDCWD, p.name, flags, inode.StatMask, &st)
	if err != nil || !w.region.Holds(&st) || w.plain.Has(&st) {
		return nil, owner.Record{}
	}
	f, err := w.openFile(p)
	if err != nil {
		return nil, owner.Record{}
	}
	r, err := w.record(f)
	if err == nil && r != (owner.Record{UID: f.st.Uid, GID: f.st.Gid}) {
		return f, r
	}
	// The directory that keeps a link's record changes without the link.
	if err == nil && f.carries() {
		w.plain.Add(&f.st)
	}
	f.close()
	return nil, owner.Record{}
}

// bytesOf returns the memory of a fixed-size value.
func bytesOf[T unix.Stat_t | unix.Statx_t](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
