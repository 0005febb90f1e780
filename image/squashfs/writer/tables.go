package writer

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// tables are the image's metadata in the making.
type tables struct {
	t         *inodes
	inodes    *metadata
	dirs      *metadata
	ids       idTable
	xattrs    xattrTable
	fragments []format.Fragment
	fragment  map[*fragmentBlock]uint32 // index in fragments
}

// writeTables writes all metadata after the blocks, in the order the kernel
// checks for: inodes, directories, fragments, export, ids, xattrs, each ending
// where the next begins (fs/squashfs/super.c).
func (w *Writer) writeTables(t *inodes) (*format.Super, error) {
	c, err := w.encoding.New()
	if err != nil {
		return nil, err
	}
	b := &tables{
		t: t, inodes: &metadata{c: c}, dirs: &metadata{c: c},
		xattrs:   xattrTable{entries: &metadata{c: c}, sets: map[string]uint32{}, values: map[string]format.Ref{}},
		fragment: map[*fragmentBlock]uint32{},
	}
	if err := b.addTree(); err != nil {
		return nil, err
	}
	s := &format.Super{
		Inodes: uint32(len(t.of)), ModTime: clampTime(w.options.ModTime),
		BlockSize: uint32(w.options.BlockSize), Fragments: uint32(len(b.fragments)),
		Compression: w.encoding.ID, Flags: b.flags() | codecFlags(w.encoding), IDs: uint16(len(b.ids.ids)),
		Root: t.of[t.root].ref, XattrTable: format.None,
	}
	if s.InodeTable, err = w.pipe.writeTable(b.inodes, "inode"); err != nil {
		return nil, err
	}
	if s.DirTable, err = w.pipe.writeTable(b.dirs, "directory"); err != nil {
		return nil, err
	}
	if s.FragmentTable, err = w.pipe.writeIndexed(c, b.fragmentBytes()); err != nil {
		return nil, err
	}
	if s.ExportTable, err = w.pipe.writeIndexed(c, b.exportBytes()); err != nil {
		return nil, err
	}
	if s.IDTable, err = w.pipe.writeIndexed(c, b.ids.bytes()); err != nil {
		return nil, err
	}
	if len(b.xattrs.ids) > 0 {
		if s.XattrTable, err = w.pipe.writeXattrs(c, &b.xattrs); err != nil {
			return nil, err
		}
	}
	s.BytesUsed = w.pipe.pos
	return s, nil
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

// codecFlags are the flags that depend on how the image is compressed.
func codecFlags(e *codec.Encoding) (flags uint16) {
	if e.Store {
		flags |= format.FlagUncompressedInodes | format.FlagUncompressedData | format.FlagUncompressedFragments |
			format.FlagUncompressedXattrs | format.FlagUncompressedIDs
	}
	if len(e.Options) > 0 {
		flags |= format.FlagCompressorOptions
	}
	return flags
}

// addTree writes the inodes of each directory's entries and then its listing,
// children before parents, because a listing needs to know where its inodes
// are, and a directory's inode where its listing is.
func (b *tables) addTree() error {
	for _, d := range slices.Backward(b.t.dirs) {
		subdirs := uint32(0)
		entries := make([]format.DirEntry, 0, len(d.names))
		for _, name := range d.names {
			node := d.node.Entries[name]
			ino := b.t.of[node]
			if err := b.addInode(node, ino, b.t.of[d.node].number); err != nil {
				return fmt.Errorf("squashfs: %q: %w", d.path(name), err)
			}
			kind := format.Type(node.Mode)
			if kind == format.Dir {
				subdirs++
			}
			entries = append(entries, format.DirEntry{Name: name, Ref: ino.ref, Number: ino.number, Type: kind})
		}
		ino := b.t.of[d.node]
		ino.listing = addListing(b.dirs, entries)
		ino.nlink = 2 + subdirs
	}
	// The root's parent is a number no inode has, as mksquashfs does it.
	root := b.t.of[b.t.root]
	if err := b.addInode(b.t.root, root, root.number+1); err != nil {
		return fmt.Errorf("squashfs: /: %w", err)
	}
	return nil
}

// addInode writes n's inode unless an earlier name of n did; parent is the
// inode number of the directory that holds it.
func (b *tables) addInode(n *tree.Node, ino *inode, parent uint32) error {
	if ino.written {
		return nil
	}
	ino.written = true
	i := format.Inode{
		Type: format.Type(n.Mode), Perm: uint16(n.Mode &^ tree.TypeMask), MTime: clampTime(n.ModTime),
		Number: ino.number, Nlink: ino.nlink, Parent: parent, Target: n.Target, Rdev: uint32(n.Rdev),
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
		i.Size = ino.listing.size + 3 // for "." and "..", which are not stored
		i.DirBlock, i.DirOffset = uint32(ino.listing.start.Block()), ino.listing.start.Offset()
		i.Index = ino.listing.index
	}
	i.Extend()
	ino.ref = b.inodes.ref()
	b.inodes.write(i.Append(nil))
	return nil
}

// describe fills in where a regular file's content is. Fragment blocks are
// numbered when first needed: those no file needs any more are not listed,
// because unsquashfs rejects an image with more of them than inodes.
func (b *tables) describe(i *format.Inode, f *stored) {
	i.Size, i.Start, i.Sparse, i.Blocks = uint64(f.size), f.start, f.sparse, f.blocks
	i.Fragment = format.NoFragment
	if f.frag == nil {
		return
	}
	index, ok := b.fragment[f.frag]
	if !ok {
		index = uint32(len(b.fragments))
		b.fragment[f.frag] = index
		b.fragments = append(b.fragments, f.frag.entry)
	}
	i.Fragment, i.FragOff = index, f.fragOff
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
	out := make([]byte, 8*len(b.t.of))
	for _, ino := range b.t.of {
		binary.LittleEndian.PutUint64(out[8*(ino.number-1):], uint64(ino.ref))
	}
	return out
}

// writeTable writes a table that is found by its position alone.
func (p *pipeline) writeTable(m *metadata, name string) (uint64, error) {
	b, err := m.finish(name)
	if err != nil {
		return 0, err
	}
	start := p.pos
	return start, p.writeAll(b)
}

// writeIndexed writes a table of entries and its index, and returns the
// index's position, which is what the superblock holds. That of an empty table
// is where it would be.
func (p *pipeline) writeIndexed(c codec.Compressor, entries []byte) (uint64, error) {
	m := &metadata{c: c}
	m.write(entries)
	blocks, index, err := m.indexed(p.pos)
	if err != nil {
		return 0, err
	}
	if err := p.writeAll(blocks); err != nil {
		return 0, err
	}
	start := p.pos
	return start, p.writeAll(index)
}

// writeXattrs writes the attributes and then their id table, whose index is
// led by the attributes' position and the number of ids.
func (p *pipeline) writeXattrs(c codec.Compressor, x *xattrTable) (uint64, error) {
	entries, err := p.writeTable(x.entries, "xattr")
	if err != nil {
		return 0, err
	}
	m := &metadata{c: c}
	m.write(x.ids)
	blocks, index, err := m.indexed(p.pos)
	if err != nil {
		return 0, err
	}
	if err := p.writeAll(blocks); err != nil {
		return 0, err
	}
	start := p.pos
	head := binary.LittleEndian.AppendUint64(nil, entries)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(x.sets)))
	head = binary.LittleEndian.AppendUint32(head, 0)
	return start, p.writeAll(append(head, index...))
}
