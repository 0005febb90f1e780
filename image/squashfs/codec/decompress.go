package codec

import (
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
	"github.com/pierrec/lz4/v4"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// errTooLong says that a block decodes to more than there is room for.
var errTooLong = errors.New("decodes to more than the block size")

type decompressFunc func(dst, src []byte) (int, error)

func (f decompressFunc) Decompress(dst, src []byte) (int, error) { return f(dst, src) }

func decompressLZO(dst, src []byte) (int, error) {
	n, err := lzo.Decompress(src, dst)
	return wrap("lzo", n, err)
}

// decompressLZ4 decodes an LZ4 block without the frame of the lz4 tool.
func decompressLZ4(dst, src []byte) (int, error) {
	n, err := lz4.UncompressBlock(src, dst)
	return wrap("lz4", n, err)
}

// readAll reads r to its end into dst.
func readAll(dst []byte, r io.Reader) (n int, err error) {
	var more [1]byte
	for err == nil {
		var k int
		if n < len(dst) {
			k, err = r.Read(dst[n:])
			n += k
		} else if k, err = r.Read(more[:]); k > 0 {
			return 0, errTooLong
		}
		if k == 0 && err == nil {
			return 0, io.ErrNoProgress
		}
	}
	if err != io.EOF {
		return 0, err
	}
	return n, nil
}

// wrap names the compression in an error, which is the block's fault unless it
// is errors.ErrUnsupported, and drops the count that came with it.
func wrap(name string, n int, err error) (int, error) {
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errors.ErrUnsupported):
		err = fmt.Errorf("squashfs: %s: %w", name, err)
		return 0, hint.Wrap(err, "make the image again with zstd, gzip or plain xz compression")
	}
	return 0, format.Corrupt("%s: %w", name, err)
}
