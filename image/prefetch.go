package image

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Prefetch tells the kernel to read the parts of the image that a profile put
// first, as one sequential read (posix_fadvise(2)). It returns when that is
// under way; an image without a profile has no such parts.
func (f *File) Prefetch() error {
	if f.squash == nil {
		return nil
	}
	ranges, err := f.squash.Hot()
	if err != nil {
		return fmt.Errorf("image %s: %w", f.info.Path, err)
	}
	for _, r := range ranges {
		if f.plain != nil {
			r.Off, r.N = f.plain.Stored(r.Off, r.N)
		}
		if err := unix.Fadvise(int(f.f.Fd()), f.part.offset+r.Off, r.N, unix.FADV_WILLNEED); err != nil {
			return fmt.Errorf("image %s: read ahead: %w", f.info.Path, err)
		}
	}
	return nil
}
