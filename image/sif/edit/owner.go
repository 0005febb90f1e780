package edit

import (
	"fmt"
	"os"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
)

// sameOwner gives a copy the owner and the mode of the original.
func sameOwner(f *os.File, original os.FileInfo) error {
	want, ok := original.Sys().(*syscall.Stat_t)
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if is, known := now.Sys().(*syscall.Stat_t); ok && known && (is.Uid != want.Uid || is.Gid != want.Gid) {
		if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return hint.Wrap(fmt.Errorf("the image belongs to another user, who would lose it: %w", err), "have its owner do it, or work on a copy")
		}
	}
	return f.Chmod(original.Mode().Perm())
}
