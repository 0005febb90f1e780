package squashfs

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
)

// loadTables bounds the regions and loads the tables' lists. They lie in this
// order: data, inodes, directories, fragments, export, ids, xattrs; what lies
// behind the directories bounds them.
func (r *Reader) loadTables() error {
	s := &r.super
	if s.InodeTable < format.SuperSize || s.DirTable <= s.InodeTable || s.DirTable > s.BytesUsed {
		return corrupt("inode table at %d, directory table at %d", s.InodeTable, s.DirTable)
	}
	r.inodeTable = meta.Region{Start: s.InodeTable, End: s.DirTable}
	// An inode takes 20 bytes or more.
	if uint64(s.Inodes) > r.inodeTable.Room(0)/20 {
		return corrupt("its inode table has no room for %d inodes", s.Inodes)
	}
	r.dirTable = meta.Region{Start: s.DirTable, End: s.BytesUsed}
	for _, load := range []func() error{r.loadXattrTable, r.loadIDs, r.loadExports, r.loadFragments} {
		if err := load(); err != nil {
			return err
		}
	}
	return nil
}

// table loads a lookup table and makes the directories end before it.
func (r *Reader) table(name string, off uint64, count uint32, size int) (meta.Table, error) {
	t, err := r.meta.Table(name, off, r.super.DirTable, count, size)
	r.dirTable.End = min(r.dirTable.End, t.Start(off))
	return t, err
}

// loadIDs reads the whole id table, at most 256 KiB.
func (r *Reader) loadIDs() error {
	t, err := r.table("id", r.super.IDTable, uint32(r.super.IDs), 4)
	if err != nil {
		return err
	}
	r.ids = make([]uint32, t.Count())
	for i := range r.ids {
		b, err := t.Entry(uint32(i))
		if err != nil {
			return err
		}
		r.ids[i] = binary.LittleEndian.Uint32(b)
	}
	return nil
}

// loadExports checks the table from inode numbers to inodes, which only an NFS
// server needs.
func (r *Reader) loadExports() (err error) {
	if r.super.ExportTable != format.None {
		_, err = r.table("export", r.super.ExportTable, r.super.Inodes, 8)
	}
	return err
}

func (r *Reader) loadFragments() (err error) {
	if r.super.Fragments > 0 {
		r.fragments, err = r.table("fragment", r.super.FragmentTable, r.super.Fragments, format.FragmentSize)
	}
	return err
}

// loadXattrTable reads the header of the xattr id table: where the entries
// start, and how many ids there are.
func (r *Reader) loadXattrTable() error {
	off := r.super.XattrTable
	if off == format.None {
		return nil
	}
	var head [16]byte
	if err := r.src.ReadFull(head[:], off); err != nil {
		return fmt.Errorf("xattr table: %w", err)
	}
	start, count := binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint32(head[8:])
	if start < r.super.DirTable || start > off {
		return corrupt("xattr entries at %d lie outside %d to %d", start, r.super.DirTable, off)
	}
	t, err := r.meta.Table("xattr id", off+uint64(len(head)), start, count, format.XattrIDSize)
	if err != nil {
		return err
	}
	r.xattrIDs = t
	r.xattrs = meta.Region{Start: start, End: t.Start(off)}
	r.dirTable.End = min(r.dirTable.End, start)
	return nil
}
