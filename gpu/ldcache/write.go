package ldcache

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Bytes returns the file, in the newer form alone, with entries in the order that
// ld.so wants.
func (c *Cache) Bytes() []byte {
	entries := slices.Clone(c.Entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(compare(b.Name, a.Name), cmp.Compare(b.Flags, a.Flags))
	})
	head := sizeNew + len(entries)*sizeEntry
	s := stringTable{at: head, known: map[string]uint32{}}
	out := make([]byte, sizeNew, head)
	copy(out, magicNew)
	out[28] = little
	binary.LittleEndian.PutUint32(out[20:], uint32(len(entries)))
	for _, e := range entries {
		out = binary.LittleEndian.AppendUint32(out, uint32(e.Flags))
		out = binary.LittleEndian.AppendUint32(out, s.add(e.Name))
		out = binary.LittleEndian.AppendUint32(out, s.add(e.Path))
		out = binary.LittleEndian.AppendUint32(out, e.OSVersion)
		out = binary.LittleEndian.AppendUint64(out, e.HWCap)
	}
	list := make([]uint32, len(c.Subdirs))
	for i, name := range c.Subdirs {
		list[i] = s.add(name)
	}
	binary.LittleEndian.PutUint32(out[24:], uint32(len(s.text)))
	out = append(out, s.text...)
	if len(list) == 0 {
		return out
	}
	out = append(out, make([]byte, -len(out)&3)...) // extensions are aligned
	at := len(out)
	binary.LittleEndian.PutUint32(out[32:], uint32(at))
	for _, n := range []uint32{extensionMagic, 1, tagHwcaps, 0, uint32(at + 8 + 16), uint32(4 * len(list))} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	for _, n := range list {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

// stringTable collects strings, each once.
type stringTable struct {
	at    int // offset of text in the file
	text  []byte
	known map[string]uint32
}

func (s *stringTable) add(t string) uint32 {
	if at, ok := s.known[t]; ok {
		return at
	}
	at := uint32(s.at + len(s.text))
	s.text = append(append(s.text, t...), 0)
	s.known[t] = at
	return at
}

// compare orders names as ld.so's binary search does: numbers in them by value, and
// after everything else.
func compare(a, b string) int {
	for a != "" {
		switch digitA, digitB := digit(a), digit(b); {
		case digitA && digitB:
			var x, y int32
			x, a = number(a)
			y, b = number(b)
			if x != y {
				return cmp.Compare(x, y)
			}
		case digitA:
			return 1
		case digitB:
			return -1
		case b == "" || a[0] != b[0]:
			return cmp.Compare(a[0], first(b))
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(0, first(b))
}

// first is the first byte, or the NUL that ends a string.
func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

func digit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// number cuts a number off the start of s. It wraps as int does in C.
func number(s string) (n int32, rest string) {
	for digit(s) {
		n, s = n*10+int32(s[0]-'0'), s[1:]
	}
	return n, s
}
