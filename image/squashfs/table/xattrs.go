package table

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// The kernel's limits, xattr(7), in bytes.
const (
	maxXattrName  = 255
	maxXattrValue = 64 << 10
)

// refSize is the length in bytes of a reference to a value stored elsewhere.
const refSize = 8

// xattrTable holds each distinct set of extended attributes once, and each
// distinct value longer than a reference once.
type xattrTable struct {
	entries *metadata
	sets    map[string]uint32 // by the entries as they would be without sharing
	values  map[string]format.Ref
	ids     []byte // the xattr id table
}

// StorableXattr reports whether the format can hold an extended attribute of
// this name: it knows the prefixes user, trusted and security only. A name
// that is not storable makes Finish fail, so that dropping it is the caller's
// decision.
func StorableXattr(name string) bool {
	_, _, ok := splitXattr(name)
	return ok && len(name) <= maxXattrName
}

// splitXattr turns a full name into the format's prefix number and the rest.
func splitXattr(name string) (prefix uint16, rest string, ok bool) {
	class, rest, _ := strings.Cut(name, ".")
	if rest == "" {
		return 0, "", false
	}
	switch class {
	case "user":
		return format.XattrUser, rest, true
	case "trusted":
		return format.XattrTrusted, rest, true
	case "security":
		return format.XattrSecurity, rest, true
	}
	return 0, "", false
}

// add returns the index of a set in the id table, format.NoXattr for none.
func (t *xattrTable) add(set []tree.Xattr) (uint32, error) {
	if len(set) == 0 {
		return format.NoXattr, nil
	}
	var key []byte
	for _, x := range set {
		if err := checkXattr(x); err != nil {
			return 0, err
		}
		key = appendSized(appendSized(key, []byte(x.Name)), x.Value)
	}
	if id, ok := t.sets[string(key)]; ok {
		return id, nil
	}
	id := uint32(len(t.sets))
	t.sets[string(key)] = id
	ref := t.entries.ref()
	size := 0
	for _, x := range set {
		t.write(x)
		size += len(x.Name) + 1 + len(x.Value) // as listxattr(2) counts names
	}
	le := binary.LittleEndian
	t.ids = le.AppendUint64(t.ids, uint64(ref))
	t.ids = le.AppendUint32(t.ids, uint32(len(set)))
	t.ids = le.AppendUint32(t.ids, uint32(size))
	return id, nil
}

func checkXattr(x tree.Xattr) error {
	if !StorableXattr(x.Name) {
		return fmt.Errorf("SquashFS cannot hold the extended attribute %q: "+
			"not a name in user, trusted or security of at most %d bytes", x.Name, maxXattrName)
	}
	if len(x.Value) > maxXattrValue {
		return fmt.Errorf("extended attribute %q has %d bytes, more than %d", x.Name, len(x.Value), maxXattrValue)
	}
	return nil
}

// write appends one attribute. The first value of its kind is stored in place;
// later ones refer to it.
func (t *xattrTable) write(x tree.Xattr) {
	le := binary.LittleEndian
	prefix, rest, _ := splitXattr(x.Name)
	value := x.Value
	first, shared := t.values[string(value)]
	if shared {
		prefix |= format.XattrOOL
		value = le.AppendUint64(nil, uint64(first))
	}
	name := le.AppendUint16(nil, prefix)
	name = le.AppendUint16(name, uint16(len(rest)))
	name = append(name, rest...)
	t.entries.write(name)
	if !shared && len(value) > refSize {
		t.values[string(value)] = t.entries.ref()
	}
	t.entries.write(appendSized(nil, value))
}

// appendSized appends a 32-bit length and the bytes.
func appendSized(b, value []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}
