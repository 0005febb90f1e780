package rootemu

import (
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/filestat"
	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/inode"
)

// file is a file of the payload, open with O_PATH.
type file struct {
	fd int
	st unix.Statx_t
}

// openFile opens p.
func (w *worker) openFile(p place) (*file, error) {
	fd, err := p.open()
	if err != nil {
		return nil, err
	}
	f := &file{fd: fd}
	if err := f.stat(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) close() { unix.Close(f.fd) }

func (f *file) stat() error {
	return filestat.At(f.fd, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT, inode.StatMask, &f.st)
}

// type_ returns the file's type, as the kernel sees it.
func (f *file) kind() uint32 { return uint32(f.st.Mode) & unix.S_IFMT }

// carries tells whether the file can have attributes of users (xattr(7)).
func (f *file) carries() bool { return f.kind() == unix.S_IFREG || f.kind() == unix.S_IFDIR }

// path returns a path of the file for this thread, in the directory of
// procfs, for the calls that take paths only.
func (w *worker) path(f *file) (string, error) {
	return w.self + strconv.Itoa(f.fd), unix.Fchdir(w.procfs)
}

// record returns what is known of the file's owner: without a record it is who
// the kernel says.
func (w *worker) record(f *file) (owner.Record, error) {
	plain := owner.Record{UID: f.st.Uid, GID: f.st.Gid}
	name, err := w.path(f)
	if err != nil {
		return plain, err
	}
	if !f.carries() {
		return w.entry(f, name, plain)
	}
	value, found, err := getAttribute(name, owner.Name)
	if err != nil || !found {
		return plain, err
	}
	r, err := owner.Parse(value)
	if err != nil {
		return plain, nil // somebody else's: ours are well-formed
	}
	return r, nil
}

// entry is record for a file whose directory keeps it. One that has no name,
// or a device, has none.
func (w *worker) entry(f *file, name string, plain owner.Record) (owner.Record, error) {
	dir, attr, ok := f.entryPlace(name)
	if !ok {
		return plain, nil
	}
	value, found, err := getAttribute(dir, attr)
	if err != nil || !found {
		return plain, err
	}
	e, err := owner.ParseEntry(value)
	if err != nil || e.Inode != f.st.Ino {
		return plain, nil
	}
	return owner.Record{UID: e.UID, GID: e.GID}, nil
}

// entryPlace returns where the record of a file without attributes is: the
// path of its directory for this thread, and the attribute.
func (f *file) entryPlace(name string) (dir, attr string, ok bool) {
	switch f.kind() {
	case unix.S_IFLNK, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return "", "", false
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlink(name, b)
	if err != nil || n == 0 || b[0] != '/' || f.st.Nlink == 0 {
		return "", "", false // a pipe or socket that has no name
	}
	dir, base := path.Split(string(b[:n]))
	attr, ok = owner.EntryName(base)
	return dir, attr, ok
}

// setRecord writes down the owner of a file, or removes what was written when
// root owns it. A file system without attributes of users is not part of the
// image: what is asked of its files is granted and forgotten.
func (w *worker) setRecord(f *file, r owner.Record) error {
	name, err := w.path(f)
	if err != nil {
		return err
	}
	attr, value := owner.Name, r.Append(nil)
	if !f.carries() {
		dir, entry, ok := f.entryPlace(name)
		if !ok {
			return nil
		}
		name, attr = dir, entry
		value = owner.Entry{UID: r.UID, GID: r.GID, Inode: f.st.Ino}.Append(nil)
	}
	if r.Root() {
		err = unix.Removexattr(name, attr)
	} else {
		err = unix.Setxattr(name, attr, value, 0)
	}
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil
	}
	return err
}

// getAttribute reads an attribute of this package's, which are short.
func getAttribute(name, attr string) (value []byte, found bool, err error) {
	b := make([]byte, 64)
	n, err := unix.Getxattr(name, attr, b)
	switch err {
	case nil:
		return b[:n], true, nil
	case unix.ENODATA, unix.ENOTSUP, unix.ERANGE, unix.EACCES, unix.EPERM:
		return nil, false, nil
	}
	return nil, false, err
}
