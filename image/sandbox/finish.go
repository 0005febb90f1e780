package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// finish sets what a node has besides content. The order matters: a change of
// owner clears set-user-ID bits and capabilities, attributes need a file that
// its owner may write, and the mode may lock the caller out of a directory.
func (w *treeWriter) finish(dir int, name string, n *tree.Node) error {
	if w.opts.Chown {
		if err := unix.Fchownat(dir, name, int(n.UID), int(n.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if !w.opts.Chown && recordOwner(dir, name, n) != nil {
		w.report.Xattrs++
	}
	for _, x := range n.Xattrs {
		if unix.Lsetxattr(procPath(dir, name), x.Name, x.Value, 0) != nil {
			w.report.Xattrs++
		}
	}
	t := []unix.Timespec{{Sec: n.ModTime}, {Sec: n.ModTime}}
	if err := unix.UtimesNanoAt(dir, name, t, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if n.Mode&tree.TypeMask == tree.TypeSymlink {
		return nil
	}
	mode := n.Mode & 0o7777
	if !w.opts.Chown && n.Mode&tree.TypeMask == tree.TypeRegular && mode&setIDs != 0 {
		mode &^= setIDs
		w.report.SetIDs++
	}
	return chmodAt(dir, name, mode)
}

// setIDs are the set-user-ID and set-group-ID bits.
const setIDs = 0o6000

// chmodAt changes a mode without following a symbolic link; before Linux 6.6
// (fchmodat2) that takes a detour through /proc.
func chmodAt(dir int, name string, mode uint32) error {
	err := unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if err != unix.EOPNOTSUPP && err != unix.ENOSYS {
		return err
	}
	fd, err := openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	return errors.Join(unix.Chmod(procPath(fd, ""), mode), unix.Close(fd))
}
