// Package profile finds out which files of an image a program reads, for a
// writer to put them first.
//
// Input: reads of an image, as its server tells them. Output: the files worth
// putting first, in order. It serves no image and starts no program.
package profile

import (
	"sync"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// Recorder collects what is read of one image. It is safe for concurrent use.
type Recorder struct {
	block int64 // bytes
	mu    sync.Mutex
	of    map[format.Ref]*file
	order []*file // by first read
}

// file is what was read of a file.
type file struct {
	ino    *squashfs.Inode
	blocks map[int64]bool
}

// NewRecorder returns a Recorder of an image with blocks of blockSize bytes.
func NewRecorder(blockSize uint32) *Recorder {
	return &Recorder{block: int64(blockSize), of: map[format.Ref]*file{}}
}

// Add notes that n bytes of a regular file were read from off on.
func (r *Recorder) Add(ino *squashfs.Inode, off, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.of[ino.Ref]
	if f == nil {
		f = &file{ino, map[int64]bool{}}
		r.of[ino.Ref] = f
		r.order = append(r.order, f)
	}
	end := min(off+n, int64(ino.Size))
	for i := off / r.block; i*r.block < end; i++ {
		f.blocks[i] = true
	}
}

// Hot returns the files worth putting first, in the order of their first read.
// A file of which less than half was read is not: its blocks cannot be parted,
// and reading all of them would cost more than it saves.
func (r *Recorder) Hot() []format.Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []format.Ref
	for _, f := range r.order {
		if total := (int64(f.ino.Size) + r.block - 1) / r.block; 2*int64(len(f.blocks)) >= total {
			list = append(list, f.ino.Ref)
		}
	}
	return list
}

// Nodes returns the nodes of an image's tree that are the given files, in the
// same order. Files that are no longer in the tree are left out.
func Nodes(root *tree.Node, files []format.Ref) []*tree.Node {
	if len(files) == 0 {
		return nil
	}
	of := map[format.Ref]*tree.Node{}
	for _, n := range root.Walk() {
		if f, ok := n.Content.(*squashfs.File); ok {
			of[f.Inode().Ref] = n
		}
	}
	var list []*tree.Node
	for _, ref := range files {
		if n := of[ref]; n != nil {
			list = append(list, n)
		}
	}
	return list
}
