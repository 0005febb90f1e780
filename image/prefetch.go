package image

import (
	"fmt"
	"io"
	"path"
	"strings"

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

// Decode decodes the start, at most limit bytes, of the first of the named files
// that is in the image, so that a server of the image has it at hand: the kernel
// asks for a program one piece at a time. It returns which that is, empty where there is
// none. It only fills a cache; an error shows when the file is read.
func (f *File) Decode(names []string, limit int64) (name string) {
	if f.squash == nil {
		return ""
	}
	for _, name := range names {
		file, err := f.info.FS.Open(strings.TrimPrefix(path.Clean("/"+name), "/"))
		if err != nil {
			continue
		}
		defer file.Close()
		at, ok := file.(io.ReaderAt)
		info, err := file.Stat()
		if !ok || err != nil {
			continue
		}
		var one [1]byte
		for off := int64(0); off < min(info.Size(), limit); off += int64(f.squash.Super().BlockSize) {
			if _, err := at.ReadAt(one[:], off); err != nil {
				break
			}
		}
		return name
	}
	return ""
}
