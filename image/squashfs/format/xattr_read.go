package format

import (
	"encoding/binary"
)

// XattrID is an entry of the xattr id table: one inode's set of attributes.
type XattrID struct {
	Ref   Ref    // of the first entry, from the start of the xattr entries
	Count uint32 // entries
	Size  uint32 // bytes of all names and values
}

// ParseXattrID parses the XattrIDSize bytes of an xattr id table entry.
func ParseXattrID(b []byte) XattrID {
	le := binary.LittleEndian
	return XattrID{Ref(le.Uint64(b)), le.Uint32(b[8:]), le.Uint32(b[12:])}
}

// XattrPrefix returns the start of an attribute's name, such as "user.", that
// an xattr entry's type stands for, and whether the value is stored elsewhere.
func XattrPrefix(typ uint16) (prefix string, outOfLine bool, err error) {
	switch typ &^ XattrOOL {
	case XattrUser:
		prefix = "user."
	case XattrTrusted:
		prefix = "trusted."
	case XattrSecurity:
		prefix = "security."
	default:
		return "", false, Corrupt("xattr prefix %#x is unknown", typ)
	}
	return prefix, typ&XattrOOL != 0, nil
}
