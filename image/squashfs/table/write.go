package table

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// tables are the image's metadata in the making.
type tables struct {
	t         *Tree
	inodes    *metadata
	dirs      *metadata
	ids       idTable
	xattrs    xattrTable
	fragments []format.Fragment
	fragment  map[*format.Fragment]uint32 // index in fragments
	buf       []byte                      // room for an inode
	out       output
}

// output is the image from the tables on.
type output struct {
	w   io.Writer
	c   codec.Compressor
	pos uint64 // of what is written next
}

// Write writes to w, which has got to position pos of the image, all metadata
// after the blocks, compressed by c. It completes s, in which the caller has
// set the block size, the compression with its flags, and the time. The order is what the
// kernel checks for: inodes, directories, fragments, export, ids, xattrs, each
// ending where the next begins (fs/squashfs/super.c). Every regular file must
// have its place by now.
func (t *Tree) Write(w io.Writer, pos uint64, c codec.Compressor, s *format.Super) error {
	b := &tables{
		t: t, inodes: &metadata{c: c}, dirs: &metadata{c: c},
		xattrs:   xattrTable{entries: &metadata{c: c}, sets: map[string]uint32{}, values: map[string]format.Ref{}},
		fragment: map[*format.Fragment]uint32{},
		out:      output{w, c, pos},
	}
	if err := b.addTree(); err != nil {
		return err
	}
	s.Inodes, s.Fragments, s.IDs = uint32(len(t.all)), uint32(len(b.fragments)), uint16(len(b.ids.ids))
	s.Flags, s.Root = s.Flags|b.flags(), t.root().ref
	return b.write(s)
}

// write writes the tables and says in s where they are.
func (b *tables) write(s *format.Super) (err error) {
	if s.InodeTable, err = b.out.table(b.inodes, "inode"); err != nil {
		return err
	}
	if s.DirTable, err = b.out.table(b.dirs, "directory"); err != nil {
		return err
	}
	if s.FragmentTable, err = b.out.indexed(b.fragmentBytes()); err != nil {
		return err
	}
	if s.ExportTable, err = b.out.indexed(b.exportBytes()); err != nil {
		return err
	}
	if s.IDTable, err = b.out.indexed(b.ids.bytes()); err != nil {
		return err
	}
	s.XattrTable = format.None
	if len(b.xattrs.ids) > 0 {
		if s.XattrTable, err = b.out.attributes(&b.xattrs); err != nil {
			return err
		}
	}
	s.BytesUsed = b.out.pos
	return nil
}

func (b *tables) flags() uint16 {
	flags := uint16(format.FlagDuplicates | format.FlagExportable)
	if len(b.fragments) == 0 {
		flags |= format.FlagNoFragments
	}
	if len(b.xattrs.ids) == 0 {
		flags |= format.FlagNoXattrs
	}
	return flags
}

// addTree writes the inodes of each directory's entries and then its listing,
// children before parents, because a listing needs to know where its inodes
// are, and a directory's inode where its listing is.
func (b *tables) addTree() error {
	for _, d := range slices.Backward(b.t.dirs) {
		subdirs := uint32(0)
		entries := make([]format.DirEntry, 0, len(d.entries))
		for _, e := range d.entries {
			ino := b.t.numbered(e.inode)
			if err := b.addInode(ino, e.inode, d.number); err != nil {
				return fmt.Errorf("squashfs: %q: %w", d.path(e.name), err)
			}
			kind := format.Type(ino.node.Mode)
			if kind == format.Dir {
				subdirs++
			}
			entries = append(entries, format.DirEntry{Name: e.name, Ref: ino.ref, Number: e.inode, Type: kind})
		}
		d.listing = addListing(b.dirs, entries)
		b.t.numbered(d.number).nlink = 2 + subdirs
	}
	// The root's parent is a number no inode has, as mksquashfs does it.
	number := uint32(len(b.t.all))
	if err := b.addInode(b.t.root(), number, number+1); err != nil {
		return fmt.Errorf("squashfs: /: %w", err)
	}
	return nil
}

// addInode writes an inode unless an earlier name of it did; parent is the
// inode number of the directory that holds it.
func (b *tables) addInode(ino *inode, number, parent uint32) error {
	if ino.written {
		return nil
	}
	ino.written = true
	n := ino.node
	i := format.Inode{
		Type: format.Type(n.Mode), Perm: uint16(n.Mode &^ tree.TypeMask), MTime: ClampTime(n.ModTime),
		Number: number, Nlink: ino.nlink, Parent: parent, Target: n.Target, Rdev: uint32(n.Rdev),
	}
	var err error
	if i.UIDIdx, err = b.ids.add(n.UID); err != nil {
		return err
	}
	if i.GIDIdx, err = b.ids.add(n.GID); err != nil {
		return err
	}
	if i.Xattr, err = b.xattrs.add(n.Xattrs); err != nil {
		return err
	}
	switch i.Type {
	case format.Reg:
		b.describe(&i, ino.content)
	case format.Dir:
		l := b.t.dirOf[n].listing
		i.Size = l.size + 3 // for "." and "..", which are not stored
		i.DirBlock, i.DirOffset, i.Index = uint32(l.start.Block()), l.start.Offset(), l.index
	}
	i.Extend()
	ino.ref = b.inodes.ref()
	b.buf = i.Append(b.buf[:0])
	b.inodes.write(b.buf)
	return nil
}

// describe fills in where a regular file's content is. Fragment blocks are
// numbered when first needed: those no file needs any more are not listed,
// because unsquashfs rejects an image with more of them than inodes.
func (b *tables) describe(i *format.Inode, f *File) {
	i.Size, i.Fragment = uint64(f.Length), format.NoFragment
	if f.Data != nil {
		i.Start, i.Sparse, i.Blocks = f.Data.Start, f.Data.Sparse, f.Data.Words
	}
	if f.Fragment == nil {
		return
	}
	index, ok := b.fragment[f.Fragment]
	if !ok {
		index = uint32(len(b.fragments))
		b.fragment[f.Fragment] = index
		b.fragments = append(b.fragments, *f.Fragment)
	}
	i.Fragment, i.FragOff = index, f.FragOff
}

func (b *tables) fragmentBytes() []byte {
	var out []byte
	for _, f := range b.fragments {
		out = binary.LittleEndian.AppendUint64(out, f.Start)
		out = binary.LittleEndian.AppendUint32(out, f.Size)
		out = binary.LittleEndian.AppendUint32(out, 0)
	}
	return out
}

// exportBytes is where each inode is, by number: what NFS needs.
func (b *tables) exportBytes() []byte {
	out := make([]byte, 0, 8*len(b.t.all))
	for i := range b.t.all {
		out = binary.LittleEndian.AppendUint64(out, uint64(b.t.all[i].ref))
	}
	return out
}

// write appends b to the image.
func (o *output) write(b []byte) error {
	n, err := o.w.Write(b)
	o.pos += uint64(n)
	return err
}

// table writes a table that is found by its position alone.
func (o *output) table(m *metadata, name string) (uint64, error) {
	b, err := m.finish(name)
	if err != nil {
		return 0, err
	}
	start := o.pos
	return start, o.write(b)
}

// indexed writes a table of entries and its index, and returns the index's
// position, which is what the superblock holds. That of an empty table is
// where it would be. The head goes before the index.
func (o *output) indexed(entries []byte, head ...byte) (uint64, error) {
	m := &metadata{c: o.c}
	m.write(entries)
	blocks, index, err := m.indexed(o.pos)
	if err != nil {
		return 0, err
	}
	if err := o.write(blocks); err != nil {
		return 0, err
	}
	start := o.pos
	return start, o.write(append(head, index...))
}

// attributes writes the attributes and then their id table, whose index is led
// by the attributes' position and the number of ids.
func (o *output) attributes(x *xattrTable) (uint64, error) {
	entries, err := o.table(x.entries, "xattr")
	if err != nil {
		return 0, err
	}
	head := binary.LittleEndian.AppendUint64(nil, entries)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(x.sets)))
	return o.indexed(x.ids, binary.LittleEndian.AppendUint32(head, 0)...)
}

// ClampTime turns seconds since the epoch into what the format can hold.
func ClampTime(t int64) uint32 { return uint32(min(max(t, 0), math.MaxUint32)) }
