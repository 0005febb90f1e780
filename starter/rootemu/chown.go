package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/creds"
)

// chown answers chown(2) and lchown(2).
func chown(follow bool) handler {
	return func(w *worker, a *[6]uint64) answer {
		return w.chown(lookup{unix.AT_FDCWD, a[0], follow, false}, id32(a[1]), id32(a[2]))
	}
}

func fchown(w *worker, a *[6]uint64) answer {
	return w.chown(lookup{dir: int32(a[0]), empty: true}, id32(a[1]), id32(a[2]))
}

func fchownat(w *worker, a *[6]uint64) answer {
	const known = unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH
	if a[4]&^known != 0 {
		return failed(unix.EINVAL)
	}
	l := lookup{int32(a[0]), a[1], a[4]&unix.AT_SYMLINK_NOFOLLOW == 0, a[4]&unix.AT_EMPTY_PATH != 0}
	return w.chown(l, id32(a[2]), id32(a[3]))
}

func (w *worker) chown(l lookup, uid, gid uint32) answer {
	c, err := w.creds()
	if err != nil {
		return failed(err)
	}
	p, err := w.at(l)
	if err != nil {
		return failed(err)
	}
	f, err := w.openFile(p)
	if err != nil {
		return failed(err)
	}
	defer f.close()
	if !w.region.Holds(&f.st) {
		return carryOn()
	}
	if err := w.listener.Valid(w.id); err != nil {
		return failed(err)
	}
	return failed(w.changeOwner(f, &c, uid, gid))
}

// changeOwner writes down the new owner. What else chown(2) does, the kernel
// does for a change to root, which is no change: it clears the set-user-ID and
// set-group-ID bits and file capabilities, and refuses what it must.
func (w *worker) changeOwner(f *file, c *creds.Creds, uid, gid uint32) error {
	old, err := w.record(f)
	if err != nil {
		return err
	}
	if !c.MayChown(old.UID, old.GID, uid, gid) {
		return unix.EPERM
	}
	r := changed(old, uid, gid)
	if r == old && !w.privileges(f) {
		return nil
	}
	if err := unix.Fchownat(f.fd, "", toRoot(uid), toRoot(gid), unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	// An overlay may have copied the file up and given it another number.
	if err := f.stat(); err != nil {
		return err
	}
	return w.setRecord(f, r)
}

func changed(r owner.Record, uid, gid uint32) owner.Record {
	if uid != creds.Unset {
		r.UID = uid
	}
	if gid != creds.Unset {
		r.GID = gid
	}
	return r
}

// toRoot is the argument of a real chown(2) in place of one to id.
func toRoot(id uint32) int {
	if id == creds.Unset {
		return -1
	}
	return 0
}

// privileges tells whether the file has something that chown(2) clears.
func (w *worker) privileges(f *file) bool {
	if f.kind() != unix.S_IFREG {
		return false
	}
	if f.st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		return true
	}
	name, err := w.path(f)
	if err != nil {
		return true
	}
	n, err := unix.Getxattr(name, capability, nil)
	return err == nil && n > 0
}

const capability = "security.capability"
