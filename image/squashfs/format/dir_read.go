package format

import (
	"encoding/binary"
	"strings"
)

// DirIndexSize is the length in bytes of a directory index entry without its
// name.
const DirIndexSize = 12

// longestName is Linux's NAME_MAX; a longer name fits the format but no path.
const longestName = 255

// DirHeader stands before a run of directory entries and holds what they
// share.
type DirHeader struct {
	Count  int    // entries that follow, 1 to MaxDirCount
	Block  uint32 // metadata block of their inodes, from the inode table's start
	Number uint32 // inode number the entries' differences add to
}

// ParseDirHeader parses the DirHeaderSize bytes of a directory header.
func ParseDirHeader(b []byte) (DirHeader, error) {
	le := binary.LittleEndian
	count := le.Uint32(b)
	if count >= MaxDirCount {
		return DirHeader{}, Corrupt("directory header counts %d entries, more than %d", uint64(count)+1, MaxDirCount)
	}
	return DirHeader{int(count) + 1, le.Uint32(b[4:]), le.Uint32(b[8:])}, nil
}

// ParseDirEntry parses the DirEntrySize bytes before an entry's name, which
// the caller adds, and returns the name's length in bytes.
func ParseDirEntry(b []byte, h DirHeader) (e DirEntry, nameLen int, err error) {
	le := binary.LittleEndian
	number := int64(h.Number) + int64(int16(le.Uint16(b[2:])))
	if number < 1 || number > 1<<32-1 {
		return e, 0, Corrupt("directory entry has inode number %d", number)
	}
	e = DirEntry{Ref: MakeRef(uint64(h.Block), le.Uint16(b)), Number: uint32(number), Type: le.Uint16(b[4:])}
	if e.Type < Dir || e.Type > Socket {
		return e, 0, Corrupt("directory entry has type %d", e.Type)
	}
	nameLen, err = parseNameLen(uint32(le.Uint16(b[6:])))
	return e, nameLen, err
}

// ParseDirIndex parses the DirIndexSize bytes before the name of a directory
// index entry, which the caller adds, and returns the name's length in bytes.
func ParseDirIndex(b []byte) (x DirIndex, nameLen int, err error) {
	le := binary.LittleEndian
	nameLen, err = parseNameLen(le.Uint32(b[8:]))
	return DirIndex{Offset: le.Uint32(b), Block: le.Uint32(b[4:])}, nameLen, err
}

// parseNameLen returns the length of a name from its field, which is one less.
func parseNameLen(field uint32) (int, error) {
	if field >= longestName {
		return 0, Corrupt("name of %d bytes, more than %d", uint64(field)+1, longestName)
	}
	return int(field) + 1, nil
}

// CheckName returns an error unless name can be the name of a directory
// entry: 1 to 255 bytes, none of them a slash or NUL, and not "." or "..".
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..", len(name) > longestName,
		strings.IndexByte(name, '/') >= 0, strings.IndexByte(name, 0) >= 0:
		return Corrupt("impossible file name %.300q", name)
	}
	return nil
}
