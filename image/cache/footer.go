package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// footer is what follows the content of an entry and says that it is whole.
// At the end of the file, it is missing from one that was cut short, and leaves
// the content at offset 0. On disk:
//
//	digest        32 bytes, SHA-256 of the content; not with magic "SEALCAC1"
//	description   0 to 200 bytes of UTF-8
//	size          8 bytes, length of the content
//	created       8 bytes, seconds since the epoch
//	length        4 bytes, that of the description
//	checksum      4 bytes, CRC-32C of the entry's name and all of the above
//	magic         8 bytes, "SEALCAC1", or "SEALCAC2" with a digest
//
// Numbers are little-endian, sizes in bytes. The checksum is against accidents
// only: whoever may write to the cache is its owner.
type footer struct {
	digest      string // as it is on disk; empty for none
	description string
	size        int64
	created     time.Time
}

const (
	magic          = "SEALCAC1"
	magicHashed    = "SEALCAC2"
	footerFixed    = 32
	maxDescription = 200
	maxFooter      = sha256.Size + maxDescription + footerFixed
)

var errTruncated = errors.New("it is cut short")

// encode returns the footer on disk, of the entry with the given name.
func (f footer) encode(id ID) []byte {
	le := binary.LittleEndian
	b := []byte(f.digest + f.description)
	b = le.AppendUint64(b, uint64(f.size))
	b = le.AppendUint64(b, uint64(f.created.Unix()))
	b = le.AppendUint32(b, uint32(len(f.description)))
	b = le.AppendUint32(b, checksum(id, b))
	if f.digest != "" {
		return append(b, magicHashed...)
	}
	return append(b, magic...)
}

// parseFooter reads the footer of the entry id from the end of its file, which
// has length bytes in all. The end must have min(length, maxFooter) bytes.
func parseFooter(end []byte, length int64, id ID) (footer, error) {
	digest, ok := digestSize(end)
	if !ok {
		return footer{}, errTruncated
	}
	le := binary.LittleEndian
	text, fixed := end[:len(end)-footerFixed], end[len(end)-footerFixed:]
	size, created, described := le.Uint64(fixed), le.Uint64(fixed[8:]), int64(le.Uint32(fixed[16:]))
	if described > int64(len(text)-digest) {
		return footer{}, fmt.Errorf("its description has %d bytes, more than fit", described)
	}
	text = text[len(text)-digest-int(described):]
	if le.Uint32(fixed[20:]) != checksum(id, end[len(end)-footerFixed-len(text):len(end)-footerFixed+20]) {
		return footer{}, errors.New("its checksum is wrong")
	}
	if content := length - int64(len(text)) - footerFixed; size > math.MaxInt64 || int64(size) != content {
		return footer{}, fmt.Errorf("it has %d bytes, not %d", content, size)
	}
	return footer{string(text[:digest]), oneLine(string(text[digest:])), int64(size), time.Unix(int64(created), 0)}, nil
}

// digestSize returns the length of the digest in the footer that ends with end,
// which must be one.
func digestSize(end []byte) (n int, ok bool) {
	switch {
	case len(end) >= footerFixed && strings.HasSuffix(string(end), magic):
		return 0, true
	case len(end) >= footerFixed+sha256.Size && strings.HasSuffix(string(end), magicHashed):
		return sha256.Size, true
	}
	return 0, false
}

func checksum(id ID, b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte(id.String()), table), table, b)
}

// oneLine makes of a text something to show on a terminal and to store: valid
// UTF-8, nothing that moves a cursor, at most maxDescription bytes.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	for len(s) > maxDescription {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
