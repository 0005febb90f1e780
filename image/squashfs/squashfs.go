// Package squashfs reads SquashFS 4.0 images (the kernel's
// Documentation/filesystems/squashfs.rst) without mounting them.
//
// Open returns a Reader, which shows an image in three ways. FS is the whole of
// it as a file system of package io/fs, for whatever walks, globs or serves
// one; its open files are read at any offset. Below that lie inodes, found by
// stable references (Root, Inode, Child, ReadDir) and read by position
// (ReadAt), for a file server. Tree is all names and metadata in memory with
// the files' blocks as stored, for a writer that makes another image of them.
// Everything may be used from any number of goroutines at a time.
//
// Input: an io.ReaderAt, which is read with positioned reads only and never
// mapped, and its size. Output: inodes, listings and file bytes. The image is
// untrusted: every number in it is checked against the image before it is
// used, memory is bounded by Options and by what the image really holds, and
// an image that contradicts itself yields an error that wraps ErrCorrupt. The
// package does not write images (see writer), does not close its input, and
// enforces no permission.
package squashfs

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/lru"
	"github.com/sealift/sealift/image/squashfs/meta"
)

// ErrCorrupt is wrapped by every error that is the image's fault.
var ErrCorrupt = format.ErrCorrupt

// corrupt returns an error that wraps ErrCorrupt and says where and what.
func corrupt(text string, args ...any) error { return format.Corrupt(text, args...) }

// Sizes of the caches in bytes.
const (
	defaultCache = 32 << 20
	inodeCache   = 4 << 20
	dirCache     = 2 << 20
)

// Options are choices of Open; the zero value is the default.
type Options struct {
	// CacheBytes is the size of the decoded data blocks and fragments kept,
	// 32 MiB when 0. At least two blocks are kept.
	CacheBytes int64
}

// Reader reads one image. Its methods may be called concurrently.
type Reader struct {
	src   meta.Source
	super format.Super
	codec codec.Decompressor
	meta  *meta.Reader

	inodes *lru.Cache[format.Ref, *Inode]
	dirs   *lru.Cache[format.Ref, []format.DirEntry]
	blocks *lru.Cache[format.Fragment, *block] // data blocks and fragments

	stored sync.Pool // *block: room for a stored block
	free   sync.Pool // *block: room for a decoded block

	inodeTable, dirTable, xattrs meta.Region
	ids                          []uint32
	fragments, xattrIDs          meta.Table
}

// Open checks the superblock and tables of the image in the first size bytes
// of r and returns a Reader of it. r must stay open as long as the Reader is
// used.
func Open(r io.ReaderAt, size int64, o Options) (*Reader, error) {
	super, err := readSuper(r, size)
	if err != nil {
		return nil, err
	}
	dec, err := codec.NewDecompressor(super.Compression)
	if err != nil {
		return nil, err
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	rd := &Reader{src: meta.Source{R: r, Size: super.BytesUsed}, super: *super, codec: dec}
	rd.meta = meta.NewReader(rd.src, dec)
	rd.inodes = lru.New[format.Ref](inodeCache, (*Inode).cost, nil)
	rd.dirs = lru.New[format.Ref](dirCache, listingCost, nil)
	two := 2 * (&block{room: make([]byte, 0, super.BlockSize+codec.Slack)}).cost()
	rd.blocks = lru.New[format.Fragment](max(o.CacheBytes, two), (*block).cost, rd.putFree)
	if err := rd.loadTables(); err != nil {
		return nil, err
	}
	root, err := rd.Inode(super.Root)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !root.IsDir() {
		return nil, corrupt("the root is not a directory")
	}
	return rd, nil
}

// readSuper reads the superblock and holds its length of the image against
// size.
func readSuper(r io.ReaderAt, size int64) (*format.Super, error) {
	b := make([]byte, format.SuperSize)
	if n, err := r.ReadAt(b, 0); n < len(b) && err != io.EOF {
		return nil, fmt.Errorf("squashfs superblock: %w", err)
	} else if n < len(b) || size < int64(len(b)) {
		return nil, corrupt("%d bytes are too few for a superblock", min(int64(n), size))
	}
	super, err := format.ParseSuper(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if super.BytesUsed > uint64(size) {
		err := corrupt("truncated: it should have %d bytes and has %d", super.BytesUsed, size)
		return nil, hint.Wrap(err, "copy or download the image again")
	}
	return super, nil
}

// Super returns the superblock.
func (r *Reader) Super() format.Super { return r.super }

// Root returns the reference of the root directory's inode.
func (r *Reader) Root() format.Ref { return r.super.Root }

// HasXattrs tells whether any inode may have extended attributes.
func (r *Reader) HasXattrs() bool { return r.xattrIDs.Count() > 0 }

// OnlyRoot tells whether every inode belongs to 0:0.
func (r *Reader) OnlyRoot() bool {
	return !slices.ContainsFunc(r.ids, func(id uint32) bool { return id != 0 })
}
