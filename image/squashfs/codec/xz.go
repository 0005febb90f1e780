package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/sealift/sealift/image/squashfs/format"
)

var (
	errXZ       = errors.New("malformed block")
	errXZFilter = fmt.Errorf("%w: filtered blocks (BCJ, mksquashfs -Xbcj)", errors.ErrUnsupported)
)

// Parts of the .xz file format 1.1.0, sections 2 and 3.
const (
	xzMagic      = "\xfd7zXZ\x00"
	xzHeaderSize = 12
	xzFilterLZMA = 0x21
	xzCheckCRC32 = 1
)

// decompressXZ decodes an .xz stream of one block. It parses the container
// itself because a decoder of whole streams allocates the dictionary that the
// stream asks for, up to 4 GiB, where a dictionary as long as dst is enough.
// Of the integrity checks only CRC32, the one the kernel can read, is
// verified.
func decompressXZ(dst, src []byte) (int, error) {
	n, err := decodeXZ(dst, src)
	return wrap("xz", n, err)
}

func decodeXZ(dst, src []byte) (int, error) {
	if len(src) < xzHeaderSize+2 || string(src[:len(xzMagic)]) != xzMagic {
		return 0, errXZ
	}
	check := src[7] & 0xf
	block := src[xzHeaderSize:]
	headerSize := (int(block[0]) + 1) * 4
	if block[0] == 0 || headerSize > len(block) {
		return 0, errXZ
	}
	if err := checkXZHeader(block[:headerSize]); err != nil {
		return 0, err
	}
	in := bytes.NewReader(block[headerSize:])
	r, err := lzma.Reader2Config{DictCap: dictCap(dst)}.NewReader2(in)
	if err != nil {
		return 0, err
	}
	n, err := readAll(dst, r)
	if err != nil || check != xzCheckCRC32 {
		return n, err
	}
	return n, verifyXZ(dst[:n], in)
}

// checkXZHeader accepts a block header whose only filter is LZMA2.
func checkXZHeader(h []byte) error {
	body := h[:len(h)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(h[len(body):]) {
		return errXZ
	}
	flags, rest := body[1], body[2:]
	for _, present := range [...]byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&present == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return errXZ
		}
		rest = rest[n:]
	}
	if flags&3 != 0 || len(rest) < 3 || rest[0] != xzFilterLZMA {
		return errXZFilter
	}
	return nil
}

// verifyXZ compares the CRC32 that follows the LZMA2 data, which is padded to
// a multiple of four bytes, with that of out.
func verifyXZ(out []byte, in *bytes.Reader) error {
	read := in.Size() - int64(in.Len())
	var sum [4]byte
	if _, err := in.ReadAt(sum[:], (read+3)&^3); err != nil {
		return io.ErrUnexpectedEOF
	}
	if crc32.ChecksumIEEE(out) != binary.LittleEndian.Uint32(sum[:]) {
		return errors.New("checksum does not match")
	}
	return nil
}

// decompressLZMA decodes the .lzma format, which the kernel cannot read and
// mksquashfs can write. Its dictionary may not exceed the largest block.
func decompressLZMA(dst, src []byte) (int, error) {
	r, err := lzma.ReaderConfig{DictCap: format.MaxBlockSize}.NewReader(bytes.NewReader(src))
	if err != nil {
		return wrap("lzma", 0, err)
	}
	n, err := readAll(dst, r)
	return wrap("lzma", n, err)
}

// dictCap is the size of the dictionary that decoding at most len(dst) bytes
// needs.
func dictCap(dst []byte) int { return max(len(dst), lzma.MinDictCap) }

// newXZ returns a compressor to .xz streams with the check that the kernel
// knows and the dictionary that it allots, as long as a block, but never
// shorter than a metadata block (fs/squashfs/xz_wrapper.c).
func newXZ(blockSize int) Compressor {
	config := xz.WriterConfig{DictCap: max(blockSize, format.MetaBlockSize), CheckSum: xz.CRC32}
	return compressFunc(func(dst, src []byte) ([]byte, error) {
		out := bytes.NewBuffer(dst)
		w, err := config.NewWriter(out)
		if err == nil {
			_, err = w.Write(src)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("squashfs: xz: %w", err)
		}
		return out.Bytes(), nil
	})
}
