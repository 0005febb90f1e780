package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Types of objects, and of partitions, by the format's numbers.
const (
	firstType = 0x4001
	lastType  = 0x400b
	partition = 0x4004
	signature = 0x4005

	primarySystem = 2
	lastPart      = 4
	squashFS      = 1
	lastFS        = 6
	lastArch      = 13
)

// object is a descriptor in use, as it is in the file.
type object struct {
	kind, id, group, link  uint32
	groupWord, linkWord    uint32
	linksGroup             bool
	offset, size, occupied int64
	name                   []byte
	extra                  []byte
}

func parse(d []byte) object {
	le := binary.LittleEndian
	n := func(off int) int64 { return int64(le.Uint64(d[off:])) }
	o := object{
		kind: le.Uint32(d), id: le.Uint32(d[5:]), groupWord: le.Uint32(d[9:]), linkWord: le.Uint32(d[13:]),
		offset: n(17), size: n(25), occupied: n(33), name: d[73:201], extra: d[201:],
	}
	o.group, o.link, o.linksGroup = o.groupWord&^groupMask, o.linkWord&^groupMask, o.linkWord&groupMask == groupMask
	return o
}

// String names the object.
func (o object) String() string { return fmt.Sprintf("object %d", o.id) }

func (o object) end() (int64, bool) { return end(o.offset, o.size) }

func (o object) part() uint32 { return binary.LittleEndian.Uint32(o.extra[4:]) }

// descriptor looks at one descriptor in use by itself.
func (c *checker) descriptor(where string, o object) {
	if o.id == 0 {
		c.found(Unsound, where, "its id is 0")
	}
	where = fmt.Sprintf("%s (%v)", where, o)
	if o.kind < firstType || o.kind > lastType {
		c.found(Odd, where, "its type %#x is unknown", o.kind)
	}
	if m := o.groupWord & groupMask; m != groupMask {
		c.found(Odd, where, "its group %#x lacks the mark of groups", o.groupWord)
	}
	if m := o.linkWord & groupMask; m != 0 && m != groupMask {
		c.found(Odd, where, "its link %#x is neither an object nor a group", o.linkWord)
	}
	last, ok := o.end()
	switch {
	case !ok:
		c.found(Unsound, where, "it cannot be %d bytes at byte %d", o.size, o.offset)
	case o.offset < c.tableEnd():
		c.found(Unsound, where, "it begins at byte %d, before the end of the table at %d", o.offset, c.tableEnd())
	case last > c.size:
		c.found(Unsound, where, "it ends at byte %d, the file at %d", last, c.size)
	default:
		if o.offset < c.h.dataOffset {
			c.found(Odd, where, "it begins at byte %d, before the data at %d", o.offset, c.h.dataOffset)
		}
		if o.kind == partition {
			c.partition(where, o)
		}
	}
	if o.occupied < 0 || o.occupied > c.size {
		c.found(Unsound, where, "it cannot be %d bytes with padding", o.occupied)
	} else if o.occupied < o.size {
		c.found(Odd, where, "it has %d bytes, but %d with padding", o.size, o.occupied)
	}
	if before, after, _ := bytes.Cut(o.name, []byte{0}); len(bytes.Trim(after, "\x00")) > 0 {
		c.found(Odd, where, "there are bytes behind the end of its name %q", before)
	}
}

// partition looks at what a descriptor says of a partition that lies in the file.
func (c *checker) partition(where string, o object) {
	fs := binary.LittleEndian.Uint32(o.extra)
	if fs == 0 || fs > lastFS {
		c.found(Odd, where, "its file system %d is unknown", fs)
	}
	if p := o.part(); p == 0 || p > lastPart {
		c.found(Odd, where, "its kind of partition %d is unknown", p)
	}
	if a := archOf(o.extra[8:11]); a <= 0 {
		c.found(Odd, where, "its architecture %q is unknown", bytes.TrimRight(o.extra[8:11], "\x00"))
	}
	if o.offset%page != 0 {
		c.found(Odd, where, "it begins at byte %d, which is not at a page", o.offset)
	}
	if fs == squashFS {
		c.squashFS(where, o)
	}
}

// squashFS looks at the superblock: 96 bytes, with the magic first and the bytes
// that are used at byte 40.
func (c *checker) squashFS(where string, o object) {
	if o.size < 96 {
		c.found(Unsound, where, "%d bytes are no SquashFS", o.size)
		return
	}
	b, err := c.read(o.offset, 96)
	switch {
	case err != nil:
		c.found(Unsound, where, "%v", err)
	case string(b[:4]) != "hsqs":
		c.found(Unsound, where, "it is said to be SquashFS and is not")
	default:
		if used := binary.LittleEndian.Uint64(b[40:]); used > uint64(o.size) {
			c.found(Unsound, where, "its SquashFS has %d bytes, it has %d", used, o.size)
		}
	}
}

// archOf returns the number of an architecture, 0 for none, -1 for what is no such
// number.
func archOf(b []byte) int {
	tens, ones := int(b[0])-'0', int(b[1])-'0'
	if tens < 0 || tens > 9 || ones < 0 || ones > 9 || b[2] != 0 || tens*10+ones > lastArch {
		return -1
	}
	return tens*10 + ones
}

// archName names an architecture in a finding.
func archName(b string) string {
	names := []string{
		"none", "386", "amd64", "arm", "arm64", "ppc64", "ppc64le", "mips", "mipsle", "mips64", "mips64le", "s390x", "riscv64", "loong64",
	}
	if n := archOf([]byte(b)); n >= 0 {
		return names[n]
	}
	return "unknown"
}
