package output

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// flush brings every byte to storage and collects the errors that network file
// systems keep for close(2), while they can still stop the publication.
func (f *File) flush() error {
	if f.tmp != "" {
		if err := unix.Fchmod(int(f.f.Fd()), f.mode); err != nil {
			return err
		}
	}
	if err := f.f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	fd, err := unix.FcntlInt(f.f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// publish gives the file its final name. link(2) never replaces, so with Force
// an unnamed file first gets a hidden name.
func (f *File) publish() error {
	dir := f.at.fd()
	if f.tmp == "" && !f.force {
		return linkUnnamed(int(f.f.Fd()), dir, f.at.base)
	}
	if f.tmp == "" {
		name, err := f.at.uniqueName(func(name string) error {
			return linkUnnamed(int(f.f.Fd()), dir, name)
		})
		if err != nil {
			return err
		}
		f.tmp = name
	}
	if f.force {
		return unix.Renameat(dir, f.tmp, dir, f.at.base)
	}
	return renameNew(dir, f.tmp, dir, f.at.base)
}

// renameNew renames and fails with EEXIST rather than replace.
func renameNew(fromDir int, from string, toDir int, to string) error {
	err := unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	return linkOver(fromDir, from, toDir, to)
}

// linkOver is renameNew for kernels and file systems without the flag. Killed
// in between, it leaves the file both names, the old one for sweep.
func linkOver(fromDir int, from string, toDir int, to string) error {
	if err := unix.Linkat(fromDir, from, toDir, to, 0); err != nil {
		return err
	}
	return unix.Unlinkat(fromDir, from, 0)
}

// linkUnnamed names an O_TMPFILE. AT_EMPTY_PATH needs a capability on most
// kernels, the link of /proc does not: open(2), "O_TMPFILE".
func linkUnnamed(fd, dir int, name string) error {
	err := unix.Linkat(fd, "", dir, name, unix.AT_EMPTY_PATH)
	if err == nil || err == unix.EEXIST {
		return err
	}
	return unix.Linkat(unix.AT_FDCWD, procPath(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
}

// linkable says whether linkUnnamed can work without privilege, that is
// whether /proc is there.
func linkable(fd int) bool {
	var here, there unix.Stat_t
	return unix.Fstat(fd, &here) == nil && unix.Stat(procPath(fd), &there) == nil &&
		here.Dev == there.Dev && here.Ino == there.Ino
}

// procPath is the magic link to an open file (proc_pid_fd(5)).
func procPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
