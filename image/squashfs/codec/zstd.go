package codec

import (
	"encoding/binary"
	"errors"
)

var errZstd = errors.New("malformed frame")

// zstdFrame returns where the frame at the start of src ends (RFC 8878,
// section 3.1.1). A block is one frame, and what follows it is no concern of a
// decoder; libzstd would take it for another frame, also of the formats older
// than the standard, whose decoders no untrusted byte shall reach.
func zstdFrame(src []byte) (end int, err error) {
	const magic, headerSize, blockHeaderSize, checksumSize = 0xFD2FB528, 5, 3, 4
	if len(src) < headerSize || binary.LittleEndian.Uint32(src) != magic {
		return 0, errZstd
	}
	descriptor := src[4]
	single := descriptor>>5&1 != 0
	end = headerSize + [...]int{0, 1, 2, 4}[descriptor&3] // dictionary id
	if !single {
		end++ // window
	}
	switch size := descriptor >> 6; {
	case size > 0:
		end += 1 << size
	case single:
		end++
	}
	for last := false; !last; {
		if len(src)-end < blockHeaderSize {
			return 0, errZstd
		}
		word := uint32(src[end]) | uint32(src[end+1])<<8 | uint32(src[end+2])<<16
		last = word&1 != 0
		end += blockHeaderSize
		const raw, runLength, compressed = 0, 1, 2
		switch word >> 1 & 3 {
		case raw, compressed:
			end += int(word >> 3)
		case runLength:
			end++
		default:
			return 0, errZstd
		}
	}
	if descriptor>>2&1 != 0 {
		end += checksumSize
	}
	if end > len(src) {
		return 0, errZstd
	}
	return end, nil
}
