package squashfs

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/image/squashfs/format"
)

// table is a lookup table: entries of one size in metadata blocks, each full
// but the last, and a list of where these blocks lie.
type table struct {
	name   string
	count  uint32
	size   int      // bytes of an entry
	blocks []uint64 // offsets in the image
	end    uint64   // of the last block: where the list starts
}

// loadTable reads the list at offset off of the blocks that hold count
// entries. Blocks lie in [floor, off) one behind the other.
func (r *Reader) loadTable(name string, off, floor uint64, count uint32, size int) (table, error) {
	t := table{name: name, count: count, size: size, end: off}
	n := (uint64(count)*uint64(size) + format.MetaBlockSize - 1) / format.MetaBlockSize
	if n == 0 {
		return t, nil
	}
	if off < floor || !within(off, 8*n, r.super.BytesUsed) {
		return t, corrupt("%s table of %d entries at %d lies beyond its place", name, count, off)
	}
	b := make([]byte, 8*n)
	if err := r.readAt(b, off); err != nil {
		return t, err
	}
	t.blocks = make([]uint64, n)
	for i := range t.blocks {
		pos := binary.LittleEndian.Uint64(b[8*i:])
		if pos < floor || pos >= off {
			return t, corrupt("%s table: block %d at %d lies outside %d to %d", name, i, pos, floor, off)
		}
		t.blocks[i], floor = pos, pos+3
	}
	return t, nil
}

// start returns where the table begins in the image, or otherwise if it is
// empty.
func (t *table) start(otherwise uint64) uint64 {
	if len(t.blocks) == 0 {
		return otherwise
	}
	return t.blocks[0]
}

// entry returns the bytes of entry i, which must not be modified.
func (r *Reader) entry(t *table, i uint32) ([]byte, error) {
	if i >= t.count {
		return nil, corrupt("%s %d of %d", t.name, i, t.count)
	}
	per := uint32(format.MetaBlockSize / t.size)
	b, err := r.metaBlock(t.blocks[i/per], t.end)
	if err != nil {
		return nil, fmt.Errorf("%s %d: %w", t.name, i, err)
	}
	off := int(i%per) * t.size
	if off+t.size > len(b.data) {
		return nil, corrupt("%s table: block at %d is only %d bytes", t.name, t.blocks[i/per], len(b.data))
	}
	return b.data[off : off+t.size], nil
}

// loadTables loads or bounds every table. They lie in this order: data,
// inodes, directories, fragments, export, ids, xattrs.
func (r *Reader) loadTables() error {
	s := &r.super
	if s.InodeTable < format.SuperSize || s.DirTable <= s.InodeTable || s.DirTable > s.BytesUsed {
		return corrupt("inode table at %d, directory table at %d", s.InodeTable, s.DirTable)
	}
	r.inodeTable = region{s.InodeTable, s.DirTable}
	// An inode takes 20 bytes or more.
	if uint64(s.Inodes) > r.inodeTable.room(0)/20 {
		return corrupt("its inode table has no room for %d inodes", s.Inodes)
	}
	dirEnd := s.BytesUsed
	if err := r.loadXattrTable(&dirEnd); err != nil {
		return err
	}
	if err := r.loadIDs(&dirEnd); err != nil {
		return err
	}
	if s.ExportTable != format.None {
		t, err := r.loadTable("export", s.ExportTable, s.DirTable, s.Inodes, 8)
		if err != nil {
			return err
		}
		dirEnd = min(dirEnd, t.start(dirEnd))
	}
	if s.Fragments > 0 {
		var err error
		r.fragments, err = r.loadTable("fragment", s.FragmentTable, s.DirTable, s.Fragments, format.FragmentSize)
		if err != nil {
			return err
		}
		dirEnd = min(dirEnd, r.fragments.start(dirEnd))
	}
	r.dirTable = region{s.DirTable, dirEnd}
	return nil
}

// loadIDs reads the whole id table, at most 256 KiB, and lowers end to its
// start.
func (r *Reader) loadIDs(end *uint64) error {
	t, err := r.loadTable("id", r.super.IDTable, r.super.DirTable, uint32(r.super.IDs), 4)
	if err != nil {
		return err
	}
	r.ids = make([]uint32, t.count)
	for i := range r.ids {
		b, err := r.entry(&t, uint32(i))
		if err != nil {
			return err
		}
		r.ids[i] = binary.LittleEndian.Uint32(b)
	}
	*end = min(*end, t.start(*end))
	return nil
}

// loadXattrTable reads the header of the xattr id table: where the entries
// start, and how many ids there are. It lowers end to that start.
func (r *Reader) loadXattrTable(end *uint64) error {
	off := r.super.XattrTable
	if off == format.None {
		return nil
	}
	var head [16]byte
	if err := r.readAt(head[:], off); err != nil {
		return fmt.Errorf("xattr table: %w", err)
	}
	start, count := binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint32(head[8:])
	if start < r.super.DirTable || start > off {
		return corrupt("xattr entries at %d lie outside %d to %d", start, r.super.DirTable, off)
	}
	t, err := r.loadTable("xattr id", off+uint64(len(head)), start, count, format.XattrIDSize)
	if err != nil {
		return err
	}
	t.end = off
	r.xattrIDs = t
	r.xattrs = region{start, t.start(off)}
	*end = min(*end, start)
	return nil
}
