// Package codec compresses and decompresses the blocks of a SquashFS image.
//
// Input: one block of at most 1 MiB and a compression id of the superblock.
// Output: the block in its other form. Compressed bytes are untrusted: a
// Decompressor returns an error for any that do not decode, and its memory is
// bounded by the block size whatever they say. The package does no I/O and
// knows nothing of where blocks lie.
//
// With cgo, zstd is libzstd; with the build tag libdeflate as well, gzip is
// libdeflate, whose header and library the machine must have. Without, both
// are pure Go. The results are equal but for speed and for the bytes that
// compressing makes.
package codec

import (
	"fmt"

	"github.com/sealift/sealift/image/squashfs/format"
)

// A Decompressor decodes blocks, each independent of the others. It is safe
// for concurrent use.
type Decompressor interface {
	// Decompress decodes src to the start of dst and returns the number of
	// bytes. An error wraps errors.ErrUnsupported, or format.ErrCorrupt if src
	// does not decode or not fit dst; dst's content is then undefined. Up to
	// Slack bytes of dst's capacity behind its length may be overwritten.
	Decompress(dst, src []byte) (int, error)
}

// Slack is the spare capacity behind a block that makes zstd in pure Go decode
// about a fifth faster, since it can then copy in whole words.
const Slack = 16

// WantsSlack tells whether Slack makes a difference to a compression.
func WantsSlack(id uint16) bool { return zstdWantsSlack && id == format.Zstd }

// NewDecompressor returns a Decompressor for the superblock's compression id,
// one of format.Gzip to format.Zstd.
func NewDecompressor(id uint16) (Decompressor, error) {
	switch id {
	case format.Gzip:
		return new(gzipDecompressor), nil
	case format.LZMA:
		return decompressFunc(decompressLZMA), nil
	case format.LZO:
		return decompressFunc(decompressLZO), nil
	case format.XZ:
		return decompressFunc(decompressXZ), nil
	case format.LZ4:
		return decompressFunc(decompressLZ4), nil
	case format.Zstd:
		return newZstdDecompressor()
	}
	return nil, fmt.Errorf("squashfs: unknown compression %d", id)
}

// Name returns the usual name of a compression id, such as "zstd".
func Name(id uint16) string {
	names := [...]string{
		format.Gzip: "gzip", format.LZMA: "lzma", format.LZO: "lzo",
		format.XZ: "xz", format.LZ4: "lz4", format.Zstd: "zstd",
	}
	if int(id) < len(names) && names[id] != "" {
		return names[id]
	}
	return fmt.Sprintf("compression %d", id)
}

// Implementation names the libraries of this program. Others decompress what
// they compressed, and compress the same to other bytes.
const Implementation = zstdLibrary + " " + gzipLibrary
