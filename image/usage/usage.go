// Package usage tells what takes space in an image.
//
// Input: an image's tree. Output: sizes, by directory and of the largest files. It reads
// no file's contents. Names are the image's own: they are to be quoted where they are shown.
package usage

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// Sizes are those of files. What hard links share counts where it is met first; so do,
// in Stored, the blocks of files that are alike.
type Sizes struct {
	// Size is the length of all, in bytes, and Stored what they take in a SquashFS
	// image: 0 in a directory of the host.
	Size   int64 `json:"size"`
	Stored int64 `json:"stored"`
}

func (s *Sizes) add(o Sizes) { s.Size, s.Stored = s.Size+o.Size, s.Stored+o.Stored }

// larger orders what takes more space first, and then what is longer.
func (s Sizes) larger(o Sizes) int {
	return cmp.Or(cmp.Compare(o.Stored, s.Stored), cmp.Compare(o.Size, s.Size))
}

// Dir is a directory with all below it.
type Dir struct {
	// Path begins with a slash.
	Path string `json:"path"`
	Sizes
	// Files is how many names of other things than directories are in it.
	Files int `json:"files"`
	// Dirs are the directories in it, the largest first.
	Dirs []*Dir `json:"directories,omitempty"`
}

// File is a regular file.
type File struct {
	Path string `json:"path"`
	Sizes
}

// Report is what Of finds.
type Report struct {
	Root *Dir
	// Files are the regular files, the largest first.
	Files []File
}

// Of measures an image by its tree.
func Of(root *tree.Node) (*Report, error) {
	c := counter{report: &Report{}, seen: map[*tree.Node]bool{}, blocks: map[uint64]bool{}, tails: map[tail]bool{}, fragments: map[uint32]*fragment{}}
	if err := c.fragmentsOf(root); err != nil {
		return nil, err
	}
	c.report.Root = c.dir("/", root)
	slices.SortStableFunc(c.report.Files, func(a, b File) int { return a.larger(b.Sizes) })
	return c.report, nil
}

// fragment is a block that ends of several files share.
type fragment struct{ stored, used int64 }

// tail is the part of a fragment that is a file's.
type tail struct{ fragment, offset uint32 }

type counter struct {
	report    *Report
	seen      map[*tree.Node]bool // regular files
	blocks    map[uint64]bool     // by where the first one of a file is
	tails     map[tail]bool
	fragments map[uint32]*fragment
}

// fragmentsOf learns how much of each fragment is used, by which its stored size is shared.
func (c *counter) fragmentsOf(root *tree.Node) error {
	met := map[tail]bool{}
	for _, n := range root.Walk() {
		f, ok := n.Content.(*squashfs.File)
		if !ok || f.Inode().Fragment == format.NoFragment {
			continue
		}
		ino, super := f.Inode(), f.Reader().Super()
		at := tail{ino.Fragment, ino.FragOff}
		if met[at] {
			continue
		}
		met[at] = true
		if c.fragments[ino.Fragment] == nil {
			entry, err := f.Reader().FragmentEntry(ino.Fragment)
			if err != nil {
				return err
			}
			stored, _, err := format.StoredLen(entry.Size, super.BlockSize)
			if err != nil {
				return fmt.Errorf("fragment %d: %w", ino.Fragment, errors.Join(err, squashfs.ErrCorrupt))
			}
			c.fragments[ino.Fragment] = &fragment{stored: int64(stored)}
		}
		c.fragments[ino.Fragment].used += int64(ino.Size % uint64(super.BlockSize))
	}
	return nil
}

func (c *counter) dir(at string, n *tree.Node) *Dir {
	d := &Dir{Path: at}
	for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
		child, below := n.Entries[name], path.Join(at, name)
		if child.IsDir() {
			in := c.dir(below, child)
			d.add(in.Sizes)
			d.Files += in.Files
			d.Dirs = append(d.Dirs, in)
			continue
		}
		d.Files++
		if child.Content != nil && !c.seen[child] {
			c.seen[child] = true
			f := File{below, Sizes{child.Content.Size(), c.stored(child.Content)}}
			c.report.Files = append(c.report.Files, f)
			d.add(f.Sizes)
		}
	}
	slices.SortStableFunc(d.Dirs, func(a, b *Dir) int { return a.larger(b.Sizes) })
	return d
}

// stored returns what a file takes besides what has been counted.
func (c *counter) stored(content tree.Content) (n int64) {
	f, ok := content.(*squashfs.File)
	if !ok {
		return 0
	}
	ino, super := f.Inode(), f.Reader().Super()
	if len(ino.Blocks) > 0 && !c.blocks[ino.Start] {
		c.blocks[ino.Start] = true
		for _, word := range ino.Blocks {
			n += int64(word &^ format.BlockUncompressed)
		}
	}
	at := tail{ino.Fragment, ino.FragOff}
	if shared := c.fragments[ino.Fragment]; shared != nil && shared.used > 0 && !c.tails[at] {
		c.tails[at] = true
		n += shared.stored * int64(ino.Size%uint64(super.BlockSize)) / shared.used
	}
	return n
}
