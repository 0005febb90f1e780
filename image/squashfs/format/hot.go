package format

import "encoding/binary"

// A trailer of Sealift's own, behind the last table where other readers see
// padding, says how far the data reaches that a profile put first.
const (
	hotMagic = "SLhotend"
	// HotTrailerSize is its length in bytes.
	HotTrailerSize = len(hotMagic) + 8
)

// HotTrailer returns the trailer of an image whose first end bytes hold what a
// program reads first.
func HotTrailer(end uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte(hotMagic), end)
}

// ParseHotTrailer returns what the trailer says, if b is one.
func ParseHotTrailer(b []byte) (end uint64, ok bool) {
	if len(b) < HotTrailerSize || string(b[:len(hotMagic)]) != hotMagic {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[len(hotMagic):]), true
}
