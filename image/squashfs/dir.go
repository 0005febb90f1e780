package squashfs

import (
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
)

// maxEntries bounds a directory's listing, which may compress without limit.
const maxEntries = 1 << 22

func listingCost(entries []format.DirEntry) int64 { return 64 + 64*int64(cap(entries)) }

// listingSize returns the bytes of a directory's listing. The format counts
// three more, for "." and ".." as it were.
func listingSize(dir *Inode) uint64 {
	return max(dir.Size, 3) - 3
}

// ReadDir returns the entries of a directory in the order stored, which is
// that of their names' bytes. The slice is shared and must not be modified.
func (r *Reader) ReadDir(dir *Inode) ([]format.DirEntry, error) {
	if !dir.IsDir() {
		return nil, fmt.Errorf("squashfs: inode %d is not a directory", dir.Number)
	}
	entries, err := r.dirs.Value(dir.Ref, func() ([]format.DirEntry, error) { return r.loadDir(dir) })
	if err != nil {
		return nil, fmt.Errorf("directory inode %d: %w", dir.Number, err)
	}
	return entries, nil
}

func (r *Reader) loadDir(dir *Inode) ([]format.DirEntry, error) {
	var entries []format.DirEntry
	err := r.scan(dir, 0, dir.DirBlock, func(e format.DirEntry) bool {
		entries = append(entries, e)
		return true
	})
	return slices.Clip(entries), err
}

// Lookup returns the entry called name of a directory, or an error that wraps
// fs.ErrNotExist.
func (r *Reader) Lookup(dir *Inode, name string) (format.DirEntry, error) {
	if _, listed := r.dirs.Peek(dir.Ref); listed || len(dir.Index) == 0 {
		return r.search(dir, name)
	}
	// The last index entry at or before name.
	n := sort.Search(len(dir.Index), func(i int) bool { return dir.Index[i].Name > name })
	offset, block := uint32(0), dir.DirBlock
	if n > 0 {
		offset, block = dir.Index[n-1].Offset, dir.Index[n-1].Block
	}
	var first, found format.DirEntry
	err := r.scan(dir, offset, block, func(e format.DirEntry) bool {
		if first.Name == "" {
			first = e
		}
		if e.Name == name {
			found = e
		}
		return e.Name < name
	})
	if err == nil && n > 0 && first.Name != dir.Index[n-1].Name {
		err = corrupt("directory index leads to %q, not %q", first.Name, dir.Index[n-1].Name)
	}
	if err != nil {
		return found, fmt.Errorf("directory inode %d: %w", dir.Number, err)
	}
	if found.Name == "" {
		return found, notExist(name)
	}
	return found, nil
}

// search looks name up in the whole listing.
func (r *Reader) search(dir *Inode, name string) (format.DirEntry, error) {
	entries, err := r.ReadDir(dir)
	if err != nil {
		return format.DirEntry{}, err
	}
	i, ok := slices.BinarySearchFunc(entries, name, func(e format.DirEntry, name string) int {
		return strings.Compare(e.Name, name)
	})
	if !ok {
		return format.DirEntry{}, notExist(name)
	}
	return entries[i], nil
}

// Child returns the inode called name in a directory: Lookup and Inode, held
// against each other.
func (r *Reader) Child(dir *Inode, name string) (*Inode, error) {
	e, err := r.Lookup(dir, name)
	if err != nil {
		return nil, err
	}
	return r.Entry(e)
}

// Entry returns the inode of a directory entry, which must be of the type and
// number that the entry says.
func (r *Reader) Entry(e format.DirEntry) (*Inode, error) {
	ino, err := r.Inode(e.Ref)
	if err != nil {
		return nil, err
	}
	if ino.Number != e.Number || format.BasicType(ino.Type) != e.Type {
		return nil, corrupt("entry %q leads to inode %d of type %d, not %d of type %d",
			e.Name, ino.Number, ino.Type, e.Number, e.Type)
	}
	return ino, nil
}

func notExist(name string) error { return fmt.Errorf("%q: %w", name, fs.ErrNotExist) }

// scan calls visit with the entries of a directory from the header that lies
// offset bytes into the listing, in the given metadata block, until visit
// returns false.
func (r *Reader) scan(dir *Inode, offset, block uint32, visit func(format.DirEntry) bool) error {
	left := int64(listingSize(dir)) - int64(offset)
	if left <= 0 {
		return nil
	}
	if uint64(left) > r.dirTable.Room(uint64(block)) {
		return corrupt("a listing of %d bytes does not fit the directory table", left)
	}
	inBlock := dir.DirOffset
	if offset > 0 {
		inBlock = uint16((uint32(inBlock) + offset) % format.MetaBlockSize)
	}
	c, err := r.meta.At(r.dirTable, format.MakeRef(uint64(block), inBlock))
	if err != nil {
		return err
	}
	s := scanner{Cursor: c, left: left, inodes: r.super.Inodes}
	for s.left > 0 {
		if more, err := s.run(visit); err != nil || !more {
			return err
		}
	}
	return nil
}

// scanner reads a listing.
type scanner struct {
	meta.Cursor
	left   int64  // bytes of the listing
	count  int    // entries so far
	last   string // name of the last one
	inodes uint32 // of the image
}

// bytes takes the next n bytes of the listing.
func (s *scanner) bytes(n int) ([]byte, error) {
	if s.left -= int64(n); s.left < 0 {
		return nil, corrupt("the listing ends inside an entry")
	}
	return s.Take(n)
}

// run visits the entries of one header and tells whether to go on.
func (s *scanner) run(visit func(format.DirEntry) bool) (bool, error) {
	b, err := s.bytes(format.DirHeaderSize)
	if err != nil {
		return false, err
	}
	h, err := format.ParseDirHeader(b)
	if err != nil {
		return false, err
	}
	for range h.Count {
		e, err := s.entry(h)
		if err != nil {
			return false, err
		}
		if !visit(e) {
			return false, nil
		}
	}
	return true, nil
}

func (s *scanner) entry(h format.DirHeader) (format.DirEntry, error) {
	b, err := s.bytes(format.DirEntrySize)
	if err != nil {
		return format.DirEntry{}, err
	}
	e, nameLen, err := format.ParseDirEntry(b, h)
	if err != nil {
		return e, err
	}
	if b, err = s.bytes(nameLen); err != nil {
		return e, err
	}
	e.Name = string(b)
	if err := format.CheckName(e.Name); err != nil {
		return e, err
	}
	s.count++
	switch {
	case e.Name <= s.last:
		return e, corrupt("entry %q follows %q", e.Name, s.last)
	case e.Number > s.inodes:
		return e, corrupt("entry %q has inode number %d of %d", e.Name, e.Number, s.inodes)
	case s.count > maxEntries:
		return e, corrupt("more than %d entries in one directory", maxEntries)
	}
	s.last = e.Name
	return e, nil
}
