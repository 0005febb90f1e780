package output

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Explain returns err, adding to one that means "full" (ENOSPC, EDQUOT) which
// file system that is, how much it has left, and a remedy. Dir is the
// directory that was written to. An error that has a remedy stays as it is.
func Explain(err error, dir string) error {
	quota := errors.Is(err, unix.EDQUOT)
	if !quota && !errors.Is(err, unix.ENOSPC) || hint.Of(err) != "" {
		return err
	}
	mount := mountPoint(dir)
	if quota {
		return hint.Wrap(fmt.Errorf("%w (file system of %s)", err, mount),
			"remove files, ask for a larger quota, or write to another file system than %s", mount)
	}
	var st unix.Statfs_t
	if statErr := unix.Statfs(mount, &st); statErr != nil {
		return hint.Wrap(fmt.Errorf("%w (file system of %s)", err, mount), "free some space there")
	}
	free := st.Bavail * uint64(max(st.Frsize, 0))
	if st.Files > 0 && st.Ffree == 0 {
		return hint.Wrap(fmt.Errorf("%w (file system of %s: no inode is free)", err, mount),
			"remove files from %s or write to another file system", mount)
	}
	return hint.Wrap(fmt.Errorf("%w (file system of %s: %d MiB are free)", err, mount, free>>20),
		"free space on %s or write to another file system", mount)
}

// mountPoint returns the topmost directory above dir on the same device.
func mountPoint(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	var here, above unix.Stat_t
	if unix.Stat(abs, &here) != nil {
		return dir
	}
	for abs != "/" {
		parent := filepath.Dir(abs)
		if unix.Stat(parent, &above) != nil || above.Dev != here.Dev {
			break
		}
		abs = parent
	}
	return abs
}

// Explain is the function of that name for an error in writing f.
func (f *File) Explain(err error) error { return Explain(err, filepath.Dir(f.at.path)) }
