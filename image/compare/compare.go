// Package compare tells in what two images differ: their files, and what their metadata
// and their package databases say.
//
// Input: two trees, and texts of metadata and lists of packages. Output: differences in a
// fixed order. Names and texts are the images' own: they are to be quoted where they are shown.
package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/sealift/sealift/image/tree"
)

// What a File differs in.
const (
	Added    = "added"
	Removed  = "removed"
	Type     = "type"
	Contents = "contents"
	Target   = "target"
	Device   = "device"
	Mode     = "mode"
	Owner    = "owner"
	Xattrs   = "attributes"
	Time     = "time"
)

// File is a difference between files. Old is nil of what was added, New of what was removed.
type File struct {
	// Path begins with a slash.
	Path string
	// What is Added or Removed alone, or Type, or others in the order of the constants.
	What     []string
	Old, New *tree.Node
}

// Options are choices of Files.
type Options struct {
	// Times has times of modification count.
	Times bool
}

// Files compares trees whose contents are tree.Openers. What two trees have below a path
// that is a directory in one of them only is there name by name.
func Files(ctx context.Context, older, newer *tree.Node, o Options) ([]File, error) {
	c := comparison{ctx: ctx, o: o, buffers: [2][]byte{make([]byte, bufferSize), make([]byte, bufferSize)}}
	err := c.both("/", older, newer)
	return c.found, err
}

// bufferSize is how much is read of a file at a time, in bytes.
const bufferSize = 1 << 20

type comparison struct {
	ctx     context.Context
	o       Options
	found   []File
	buffers [2][]byte
}

// both compares what both have at a path.
func (c *comparison) both(at string, older, newer *tree.Node) error {
	what, err := c.differ(older, newer)
	if err != nil {
		return fmt.Errorf("%q: %w", at, err)
	}
	if len(what) > 0 {
		c.found = append(c.found, File{at, what, older, newer})
	}
	for _, name := range union(older.Entries, newer.Entries) {
		below, before, after := path.Join(at, name), older.Entries[name], newer.Entries[name]
		switch {
		case before == nil:
			c.all(below, Added, after)
		case after == nil:
			c.all(below, Removed, before)
		default:
			if err := c.both(below, before, after); err != nil {
				return err
			}
		}
	}
	return nil
}

// union returns the names that are in one map or the other, in order.
func union[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// all notes what one of them has at a path and below.
func (c *comparison) all(at, what string, n *tree.Node) {
	f := File{Path: at, What: []string{what}, Old: n}
	if what == Added {
		f.Old, f.New = nil, n
	}
	c.found = append(c.found, f)
	for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
		c.all(path.Join(at, name), what, n.Entries[name])
	}
}

// differ tells in what two inodes differ.
func (c *comparison) differ(a, b *tree.Node) (what []string, err error) {
	if a.Type() != b.Type() {
		return []string{Type}, nil
	}
	same, err := c.sameContents(a.Content, b.Content)
	for _, x := range []struct {
		differs bool
		name    string
	}{
		{!same, Contents}, {a.Target != b.Target, Target}, {a.Rdev != b.Rdev, Device}, {a.Mode != b.Mode, Mode},
		{a.UID != b.UID || a.GID != b.GID, Owner}, {!slices.EqualFunc(a.Xattrs, b.Xattrs, sameXattr), Xattrs},
		{c.o.Times && a.ModTime != b.ModTime, Time},
	} {
		if x.differs {
			what = append(what, x.name)
		}
	}
	return what, err
}

func sameXattr(a, b tree.Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }

// length returns the length of a file, whose content may be nil.
func length(c tree.Content) int64 {
	if c == nil {
		return 0
	}
	return c.Size()
}

// Length returns the length of a regular file in bytes, 0 of anything else.
func Length(n *tree.Node) int64 { return length(n.Content) }

// sameContents compares files, byte by byte where their lengths are the same.
func (c *comparison) sameContents(a, b tree.Content) (same bool, err error) {
	if length(a) != length(b) || length(a) == 0 {
		return length(a) == length(b), nil
	}
	if err := c.ctx.Err(); err != nil {
		return false, err
	}
	var readers [2]io.Reader
	for i, content := range []tree.Content{a, b} {
		opener, ok := content.(tree.Opener)
		if !ok {
			return false, errors.New("its contents cannot be read again")
		}
		r, err := opener.Open()
		if err != nil {
			return false, err
		}
		defer r.Close() // which was only read
		readers[i] = r
	}
	for left := length(a); left > 0; {
		n := min(left, bufferSize)
		for i, r := range readers {
			if _, err := io.ReadFull(r, c.buffers[i][:n]); err != nil {
				return false, err
			}
		}
		if !bytes.Equal(c.buffers[0][:n], c.buffers[1][:n]) {
			return false, nil
		}
		left -= n
	}
	return true, nil
}
