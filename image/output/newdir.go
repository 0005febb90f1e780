package output

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// content is the entry of a NewDir's hidden directory that becomes the target.
const content = "root"

// DirOptions say what CreateDir may do.
type DirOptions struct {
	// Force lets Commit replace a directory that exists.
	Force bool
	// Marker is an entry by which a directory is known as one that Force may
	// replace; an empty directory always may be.
	Marker string
}

// NewDir is a directory output on its way. It grows inside a hidden directory
// of mode 0700 beside the target, so that nobody else reaches what is in it
// (a set-user-ID file, say) before it is complete.
type NewDir struct {
	at     *target
	hidden *Dir
	opts   DirOptions
	done   bool
}

// CreateDir starts the output directory path; a trailing slash is allowed. It
// fails before any work is done when path cannot become one.
func CreateDir(path string, o DirOptions) (*NewDir, error) {
	at, err := openTarget(strings.TrimRight(path, "/"))
	if err != nil {
		return nil, err
	}
	d := &NewDir{at: at, opts: o}
	if err = d.check(); err == nil {
		// A leftover that cannot be removed must not stop this output.
		_ = sweep(at.dir, at.tempPrefix())
		err = d.open()
	}
	if err != nil {
		return nil, errors.Join(err, at.dir.Close())
	}
	return d, nil
}

// check fails unless the target is free or may be replaced.
func (d *NewDir) check() error {
	st, exists, err := d.at.stat()
	switch {
	case err != nil || !exists:
		return err
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		err := fmt.Errorf("create %s: it is %s, not a directory", d.at.path, typeName(st.Mode))
		return hint.Wrap(err, "remove it or choose another name")
	case !d.opts.Force:
		return d.at.exists()
	}
	old, err := openBelow(d.at.fd(), d.at.base)
	if err != nil {
		return d.at.fail("replace", err)
	}
	return errors.Join(d.checkMarker(old), old.Close())
}

// checkMarker keeps --force from removing a directory that is not an output.
func (d *NewDir) checkMarker(old *os.File) error {
	var st unix.Stat_t
	if d.opts.Marker == "" || unix.Fstatat(int(old.Fd()), d.opts.Marker, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return nil
	}
	_, err := old.Readdirnames(1)
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("it is not empty and has no %s", d.opts.Marker)
	}
	return hint.Wrap(pathError("replace", d.at.path, err), "remove it yourself if nothing in it is needed")
}

func (d *NewDir) open() error {
	fd, err := unix.Openat(d.at.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return d.at.fail("create", err)
	}
	parent := os.NewFile(uintptr(fd), d.at.dir.Name())
	name, err := d.at.uniqueName(func(name string) error { return unix.Mkdirat(fd, name, 0o700) })
	var dir *os.File
	if err == nil {
		dir, err = claim(fd, name)
	}
	if err != nil {
		return errors.Join(d.at.fail("create", err), parent.Close())
	}
	d.hidden = &Dir{parent: parent, dir: dir, name: name, path: filepath.Join(filepath.Dir(d.at.path), name)}
	if err := unix.Mkdirat(int(dir.Fd()), content, 0o700); err != nil {
		return errors.Join(d.at.fail("create", err), d.hidden.Remove())
	}
	return nil
}

// Path returns the directory to fill. Its mode at Commit is the target's mode.
func (d *NewDir) Path() string { return filepath.Join(d.hidden.path, content) }

// Commit gives the directory its name; with Force, what had the name before is
// exchanged for it in one step where the file system can, and then removed. An
// error that leaves the new directory in place says so.
func (d *NewDir) Commit() error {
	if d.done {
		return fmt.Errorf("commit %s: already finished", d.at.path)
	}
	published, err := d.publish()
	if err != nil && !published {
		return errors.Join(d.at.fail("write", err), d.Abort())
	}
	err = errors.Join(err, d.at.sync(), d.Abort())
	if err != nil {
		err = fmt.Errorf("%s is complete, but: %w", d.at.path, err)
	}
	return err
}

func (d *NewDir) publish() (published bool, err error) {
	from, to := int(d.hidden.dir.Fd()), d.at.fd()
	restore, err := unlockMove(from, content)
	if err != nil {
		return false, err
	}
	err = unix.Renameat2(from, content, to, d.at.base, unix.RENAME_NOREPLACE)
	switch {
	case err == unix.EEXIST && d.opts.Force:
		err = d.exchange(from, to)
	case err == unix.EINVAL || err == unix.ENOSYS:
		// An old kernel or a file system without flags. rename(2) replaces a
		// directory only when that is empty.
		err = unix.Renameat(from, content, to, d.at.base)
		if err == unix.ENOTEMPTY && d.opts.Force {
			err = d.exchange(from, to)
		}
	}
	return err == nil, errors.Join(err, restore())
}

// exchange swaps the new directory for the one that has the name, which then
// is in the hidden directory and goes with it.
func (d *NewDir) exchange(from, to int) error {
	if err := d.check(); err != nil {
		return err
	}
	restore, err := unlockMove(to, d.at.base)
	if err != nil {
		return err
	}
	return errors.Join(d.swap(from, to), restore())
}

func (d *NewDir) swap(from, to int) error {
	err := unix.Renameat2(from, content, to, d.at.base, unix.RENAME_EXCHANGE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	if err := unix.Renameat(to, d.at.base, from, "old"); err != nil {
		return err
	}
	if err := unix.Renameat(from, content, to, d.at.base); err != nil {
		return errors.Join(err, unix.Renameat(from, "old", to, d.at.base))
	}
	return nil
}

// unlockMove lets the owner move the directory: rename(2) to another parent
// writes its "..", so it must be writable. restore puts the mode back.
func unlockMove(dir int, name string) (restore func() error, err error) {
	fd, err := openDirAt(dir, name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	locked := st.Mode&0o200 == 0
	if err == nil && locked {
		err = unix.Chmod(procPath(fd), st.Mode&0o7777|0o200)
	}
	if err != nil || !locked {
		return func() error { return nil }, errors.Join(err, unix.Close(fd))
	}
	return func() error {
		return errors.Join(unix.Chmod(procPath(fd), st.Mode&0o7777), unix.Close(fd))
	}, nil
}

// Abort gives up the output and removes what is in the hidden directory; after
// Commit, or a second time, it does nothing.
func (d *NewDir) Abort() error {
	if d.done {
		return nil
	}
	d.done = true
	return errors.Join(d.hidden.Remove(), d.at.dir.Close())
}
