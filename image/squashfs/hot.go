package squashfs

import (
	"io"

	"github.com/sealift/sealift/image/squashfs/format"
)

// Range is a part of an image: N bytes from Off on.
type Range struct{ Off, N int64 }

// Hot returns the parts of the image that a program will read first, if the
// image was made with a profile: the data that the profile put to the front,
// and the tables of inodes and directories. An image without one has none.
func (r *Reader) Hot() ([]Range, error) {
	b := make([]byte, format.HotTrailerSize)
	used := int64(r.super.BytesUsed)
	if n, err := r.src.R.ReadAt(b, used); n < len(b) {
		if err == io.EOF {
			err = nil
		}
		return nil, err
	}
	end, ok := format.ParseHotTrailer(b)
	if !ok {
		return nil, nil
	}
	if end > r.super.InodeTable {
		return nil, corrupt("its profile reaches to %d, beyond the data, which ends at %d", end, r.super.InodeTable)
	}
	tables := int64(r.super.InodeTable)
	return []Range{{0, int64(end)}, {tables, used - tables}}, nil
}
