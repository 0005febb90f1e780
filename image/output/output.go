// Package output makes files and directories that appear whole or not at all,
// and temporary directories that disappear. It is the one place of Sealift
// that removes by path.
//
// Input: the path that the user asked for. Output: a descriptor or a directory
// to fill, then Commit or Abort. Whatever ends the process, the target is
// either what it was or complete; leftovers of a killed process are removed by
// a later one. The package decides nothing about contents.
package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Options say what Create may do.
type Options struct {
	// Force lets Commit replace a regular file that exists.
	Force bool
	// Mode is the new file's permission bits before the umask; 0 stands for
	// 0666.
	Mode fs.FileMode
}

// File is an output on its way: unnamed (O_TMPFILE of open(2)) or, where the
// file system cannot do that, a hidden file beside the target.
type File struct {
	f     *os.File
	at    *target
	tmp   string // name of the hidden file; empty while there is none
	mode  uint32 // final permission bits of a hidden file
	force bool
	done  bool
}

// Create starts the output path. It fails before any work is done when path
// cannot become one: its directory is missing or not writable, something that
// is not a regular file has the name, or a file has it and Force is off
// (fs.ErrExist).
func Create(path string, o Options) (*File, error) {
	at, err := openTarget(path)
	if err != nil {
		return nil, err
	}
	return create(at, o)
}

// create takes ownership of at.
func create(at *target, o Options) (*File, error) {
	f := &File{at: at, force: o.Force}
	err := at.checkFile(o.Force)
	if err == nil {
		// A leftover that cannot be removed must not stop this output.
		_ = sweep(at.dir, at.tempPrefix())
		err = f.open(o.Mode)
	}
	if err != nil {
		return nil, errors.Join(err, at.dir.Close())
	}
	return f, nil
}

// open makes the file, unnamed if possible. The umask applies to mode.
func (f *File) open(mode fs.FileMode) error {
	perm := uint32(mode.Perm())
	if perm == 0 {
		perm = 0o666
	}
	fd, err := retry(func() (int, error) {
		return unix.Openat(f.at.fd(), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, perm)
	})
	if err == nil {
		f.f = os.NewFile(uintptr(fd), f.at.path)
		if linkable(fd) {
			return nil
		}
		if err := f.f.Close(); err != nil {
			return f.at.fail("create", err)
		}
		return f.openNamed(perm)
	}
	switch err {
	case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL, unix.ENOSYS, unix.ENOENT:
		return f.openNamed(perm) // the file system (or kernel) lacks O_TMPFILE
	}
	return f.at.fail("create", err)
}

// openNamed makes the hidden file. Nobody else can open it until Commit gives
// it the mode it was created with, which is perm less the umask.
func (f *File) openNamed(perm uint32) error {
	var fd int
	name, err := f.at.uniqueName(func(name string) (err error) {
		fd, err = retry(func() (int, error) {
			return unix.Openat(f.at.fd(), name,
				unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		})
		return err
	})
	if err != nil {
		return f.at.fail("create", err)
	}
	f.f, f.tmp = os.NewFile(uintptr(fd), f.at.path), name
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		f.mode = st.Mode & 0o777
		err = unix.Fchmod(fd, 0o600)
	}
	if err == nil {
		err = lock(fd)
	}
	if err != nil {
		return errors.Join(f.at.fail("create", err), f.discard())
	}
	return nil
}

// File returns the open file to fill; the caller must not close it. Its name,
// in errors, is the target's path.
func (f *File) File() *os.File { return f.f }

// Rename has Commit give the file another name in its directory, for a name
// that is known only when the content is. It must be a single name.
func (f *File) Rename(name string) error {
	f.at.path, f.at.base = filepath.Join(filepath.Dir(f.at.path), name), name
	return f.at.checkFile(f.force)
}

// Commit makes the file durable and gives it its name, atomically. On any
// error nothing has changed at the target, except that a failed fsync of the
// directory is reported when the new file is already in place. Without Force
// it fails with fs.ErrExist when the name was taken in the meantime.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("commit %s: already finished", f.at.path)
	}
	err := f.flush()
	if err == nil {
		err = f.publish()
	}
	if err == nil {
		f.tmp = ""
		err = f.at.sync()
	}
	if err != nil {
		err = f.at.fail("write", err)
	}
	return errors.Join(err, f.Abort())
}

// Abort gives up the output; after Commit, or a second time, it does nothing.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.discard(), f.at.dir.Close())
}

// discard closes the file and removes its hidden name.
func (f *File) discard() error {
	var err error
	if f.tmp != "" {
		err = unix.Unlinkat(f.at.fd(), f.tmp, 0)
		if err == unix.ENOENT {
			err = nil
		}
		if err != nil {
			err = &fs.PathError{Op: "remove", Path: f.tmp, Err: err}
		}
		f.tmp = ""
	}
	return errors.Join(err, f.f.Close())
}
