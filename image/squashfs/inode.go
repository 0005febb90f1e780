package squashfs

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
	"github.com/sealift/sealift/image/tree"
)

// maxBlocks bounds the block list of one file: 4 TiB of 128 KiB blocks. Lists
// of holes compress so well that the image's size bounds them too late.
const maxBlocks = 1 << 25

// markEvery is the number of blocks between the positions an Inode keeps.
const markEvery = 64

// Inode is an inode of an image. It is shared and must not be modified.
type Inode struct {
	format.Inode
	Ref format.Ref
	// Mode is st_mode: file type and permissions as in inode(7).
	Mode     uint32
	UID, GID uint32

	marks []uint64 // offset in the image of every markEvery-th block
}

// IsDir tells whether the inode is a directory.
func (i *Inode) IsDir() bool { return i.Mode&tree.TypeMask == tree.TypeDir }

// IsRegular tells whether the inode is a regular file.
func (i *Inode) IsRegular() bool { return i.Mode&tree.TypeMask == tree.TypeRegular }

// IsSymlink tells whether the inode is a symbolic link.
func (i *Inode) IsSymlink() bool { return i.Mode&tree.TypeMask == tree.TypeSymlink }

func (i *Inode) cost() int64 {
	return 256 + int64(4*cap(i.Blocks)+8*cap(i.marks)+32*cap(i.Index)+len(i.Target))
}

// Inode returns the inode at ref.
func (r *Reader) Inode(ref format.Ref) (*Inode, error) {
	ino, err := r.inodes.Value(ref, func() (*Inode, error) { return r.loadInode(ref) })
	if err != nil {
		return nil, fmt.Errorf("inode %#x: %w", uint64(ref), err)
	}
	return ino, nil
}

func (r *Reader) loadInode(ref format.Ref) (*Inode, error) {
	c, err := r.meta.At(r.inodeTable, ref)
	if err != nil {
		return nil, err
	}
	b, err := c.Peek(2)
	if err != nil {
		return nil, err
	}
	size, err := format.InodeSize(b)
	if err != nil {
		return nil, err
	}
	if b, err = c.Take(size); err != nil {
		return nil, err
	}
	raw, tail, err := format.ParseInode(b, r.super.BlockSize)
	if err != nil {
		return nil, err
	}
	ino := &Inode{Inode: raw, Ref: ref, Mode: raw.Mode()}
	if err := r.resolveIDs(ino); err != nil {
		return nil, err
	}
	switch format.BasicType(ino.Type) {
	case format.Reg:
		err = r.loadBlocks(&c, ino, tail)
	case format.Symlink:
		err = loadTarget(&c, ino, int(tail))
	case format.Dir:
		err = r.loadIndex(&c, ino, int(tail))
	}
	if err != nil {
		return nil, err
	}
	return ino, nil
}

// resolveIDs checks the inode's number and its places in the tables, and sets
// its owner.
func (r *Reader) resolveIDs(ino *Inode) error {
	switch n := len(r.ids); {
	case ino.Number > r.super.Inodes:
		return corrupt("inode number %d of %d", ino.Number, r.super.Inodes)
	case int(ino.UIDIdx) >= n || int(ino.GIDIdx) >= n:
		return corrupt("owner ids %d and %d of %d", ino.UIDIdx, ino.GIDIdx, n)
	case ino.Fragment != format.NoFragment && ino.Fragment >= r.super.Fragments:
		return corrupt("fragment %d of %d", ino.Fragment, r.super.Fragments)
	}
	ino.UID, ino.GID = r.ids[ino.UIDIdx], r.ids[ino.GIDIdx]
	return nil
}

// loadBlocks reads the n block lengths of a file and notes where the blocks
// lie.
func (r *Reader) loadBlocks(c *meta.Cursor, ino *Inode, n uint64) error {
	if n > maxBlocks || 4*n > c.Room() {
		return corrupt("file of %d bytes has no room for its %d block lengths", ino.Size, n)
	}
	pos := ino.Start
	for done := uint64(0); done < n; {
		b, err := c.Take(4 * int(min(n-done, markEvery)))
		if err != nil {
			return err
		}
		ino.marks = append(ino.marks, pos)
		for ; len(b) > 0; b = b[4:] {
			word := binary.LittleEndian.Uint32(b)
			stored, _, err := format.StoredLen(word, r.super.BlockSize)
			if err != nil {
				return fmt.Errorf("block %d: %w", done, err)
			}
			if stored > 0 && !meta.Within(pos, uint64(stored), r.super.BytesUsed) {
				return corrupt("block %d of %d bytes at %d lies beyond its end", done, stored, pos)
			}
			pos += uint64(stored)
			ino.Blocks = append(ino.Blocks, word)
			done++
		}
	}
	return nil
}

// blockStart returns the offset in the image of block n of a file.
func (i *Inode) blockStart(n int64) uint64 {
	pos := i.marks[n/markEvery]
	for _, word := range i.Blocks[n-n%markEvery : n] {
		pos += uint64(word &^ format.BlockUncompressed)
	}
	return pos
}

// loadTarget reads a symbolic link's n bytes and the xattr index that an
// extended one has behind them.
func loadTarget(c *meta.Cursor, ino *Inode, n int) error {
	b, err := c.Take(n)
	if err != nil {
		return err
	}
	ino.Target = string(b)
	if strings.IndexByte(ino.Target, 0) >= 0 {
		return corrupt("symbolic link %.100q holds a NUL", ino.Target)
	}
	if ino.Type != format.LSymlink {
		return nil
	}
	ino.Xattr, err = c.Uint32()
	return err
}

// loadIndex reads the n entries of an extended directory's index and checks
// that positions and names ascend.
func (r *Reader) loadIndex(c *meta.Cursor, ino *Inode, n int) error {
	for i := range n {
		b, err := c.Take(format.DirIndexSize)
		if err != nil {
			return err
		}
		x, nameLen, err := format.ParseDirIndex(b)
		if err != nil {
			return fmt.Errorf("directory index: %w", err)
		}
		if b, err = c.Take(nameLen); err != nil {
			return err
		}
		x.Name = string(b)
		if uint64(x.Offset) >= listingSize(ino) || x.Block < ino.DirBlock {
			return corrupt("directory index %d points to %d in block %d", i, x.Offset, x.Block)
		}
		if i > 0 {
			last := ino.Index[i-1]
			if x.Offset <= last.Offset || x.Block < last.Block || x.Name <= last.Name {
				return corrupt("directory index %d does not ascend", i)
			}
		}
		ino.Index = append(ino.Index, x)
	}
	return nil
}
