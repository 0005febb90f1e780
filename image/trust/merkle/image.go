package merkle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// checkSize is how many bytes Check reads at a time: whole leaves of any size.
const checkSize = maxLeafSize

// The names of the two objects in a SIF file.
const (
	RootName = "sealift.merkle-root"
	TreeName = "sealift.merkle-tree"
)

// ErrNoTree is that of an image without a tree.
var ErrNoTree = errors.New("the image has no hash tree")

// Tree is the tree of a SIF file's primary partition, or of the one that is selected (sif.Image.Select), in
// the file or kept elsewhere. All that FromImage and
// Reader promise is that the partition is what the Root says. Who made the Root, a
// signature says, if it is valid and if what it covers are
//
//   - of the SIF header, what signatures cover;
//   - the descriptors of the partition, whose type says what is run, and of the Root,
//     whose link says which partition it is for;
//   - the bytes of the Root, which must be RootBytes: the file may have others by now;
//   - descriptors and bytes of whatever else is in the group, of which nothing may be missing.
//
// SignedBy checks all of these. Vouched says whose bytes need not be hashed. The parts
// of a descriptor that no signature covers, such as offsets, do no harm: the
// partition's bytes are held against the tree and the tree's against the Root,
// wherever they lie.
//
// Whoever signs must have the partition hashed whole and held against the tree
// first (Add, Check). Else somebody who makes an image could give it a tree of other
// data, have it signed, and put the other data in place of those that were looked at.
// Who does not know that they did so uses the tree of a Summary: then the text has to name
// the digest of the data.
type Tree struct {
	Root Root
	// Partition, RootObject and TreeObject are the objects concerned. There are no such
	// objects of a tree that is kept elsewhere.
	Partition, RootObject, TreeObject sif.Object

	img  *sif.Image
	tree io.ReaderAt
	// digest, unless empty, is the SHA-256 of the data that the Root is of (Summary.Of).
	digest string
}

// FromImage finds the tree of the primary partition of an image, or of the one that is
// selected. The image may be nil: no SIF file. It reads the Root and nothing else. Where
// there is none the error wraps ErrNoTree; what could be mistaken for one, such as a second
// Root, a Root that is linked to no partition or a tree of the wrong size, is an error.
func FromImage(img *sif.Image) (*Tree, error) {
	if img == nil {
		return nil, noTree("only a SIF file can have one")
	}
	part, err := img.Primary()
	if err != nil {
		return nil, err
	}
	t := &Tree{img: img}
	t.Partition, _ = img.Object(part.ID)
	if t.RootObject, err = t.find(RootName); err != nil {
		return nil, err
	}
	if t.TreeObject, err = t.find(TreeName); err != nil {
		return nil, err
	}
	b, err := img.Read(t.RootObject, RootSize)
	if err != nil {
		return nil, err
	}
	if t.Root, err = ParseRoot(b); err != nil {
		return nil, hint.Wrap(err, "copy or download the image again: it was changed or damaged")
	}
	if t.Root.Size != t.Partition.Size {
		return nil, fmt.Errorf("its hash tree is that of %d bytes, and its file system has %d", t.Root.Size, t.Partition.Size)
	}
	if want := t.Root.TreeSize(); t.TreeObject.Size != want {
		return nil, fmt.Errorf("its hash tree has %d bytes, not %d", t.TreeObject.Size, want)
	}
	t.tree = img.Section(t.TreeObject)
	return t, nil
}

func noTree(why string) error {
	return hint.Wrap(fmt.Errorf("%w: %s", ErrNoTree, why), "build the image again, as a SIF file")
}

// lacks is noTree of a partition.
func (t *Tree) lacks() error {
	if t.img.Selected() {
		return hint.Wrap(fmt.Errorf("%w of %v: it was made without", ErrNoTree, t.Partition),
			"sealift sign gives one to each partition of an image that is not signed yet")
	}
	return noTree("it was made without")
}

// find returns the one object of the name that is linked to the partition. Others of the name
// must be those of other partitions.
func (t *Tree) find(name string) (found sif.Object, err error) {
	for _, o := range t.img.Objects() {
		if o.Name != name || t.isOthers(o) {
			continue
		}
		if found.ID != 0 {
			return found, fmt.Errorf("it has two objects named %q", name)
		}
		found = o
	}
	switch {
	case found.ID == 0:
		return found, t.lacks()
	case found.Type != sif.Generic:
		return found, fmt.Errorf("%v, named %q, should be of type %v", found, name, sif.Generic)
	case found.LinksGroup || found.Link != t.Partition.ID:
		return found, fmt.Errorf("%v, named %q, is not linked to %v", found, name, t.Partition)
	case found.Group == 0 || found.Group != t.Partition.Group:
		return found, fmt.Errorf("%v, named %q, is not in the group of %v", found, name, t.Partition)
	}
	return found, nil
}

// isOthers says whether an object is linked to another partition, in the group of that.
func (t *Tree) isOthers(o sif.Object) bool {
	other, ok := t.img.Object(o.Link)
	return ok && !o.LinksGroup && o.Group == other.Group && other.ID != t.Partition.ID && other.Type == sif.FileSystem
}

// Of returns the objects of an image that are a tree of a partition, or a part of one.
func Of(img *sif.Image, partition sif.Object) (list []sif.Object) {
	for _, o := range img.Objects() {
		if (o.Name == RootName || o.Name == TreeName) && o.Type == sif.Generic &&
			!o.LinksGroup && o.Link == partition.ID && o.Group == partition.Group {
			list = append(list, o)
		}
	}
	return list
}

// RootBytes returns what was read of the Root's object.
func (t *Tree) RootBytes() []byte { return t.Root.Bytes() }

// Vouched says whether the bytes of the object with the id need not be hashed where those of
// the Root are trusted: those of the partition and of the tree; and those of the group's
// other partitions and of their trees, which nobody reads without holding them against
// what was signed, each by a tree of its own.
func (t *Tree) Vouched(id uint32) bool {
	return id == t.Partition.ID || id == t.TreeObject.ID || t.isApart(id)
}

// isApart says whether an object is another partition of the group that can have a tree, or
// the tree of one.
func (t *Tree) isApart(id uint32) bool {
	o, ok := t.img.Object(id)
	if !ok || o.Group != t.Partition.Group || id == t.Partition.ID {
		return false
	}
	if o.Name == TreeName && o.Type == sif.Generic && t.isOthers(o) {
		id = o.Link
	}
	o, _ = t.img.Object(id)
	_, err := t.img.Select(id).Primary()
	return o.Type == sif.FileSystem && err == nil
}

// Reader returns a Reader of the partition.
func (t *Tree) Reader() *Reader {
	return NewReader(t.img.Section(t.Partition), t.tree, t.Root)
}

// Held returns a Reader of the primary partition of an image that has a tree; the
// error is FromImage's.
func Held(img *sif.Image) (*Reader, error) {
	t, err := FromImage(img)
	if err != nil {
		return nil, err
	}
	return t.Reader(), nil
}

// Check reads the whole partition, by so many workers, 0 for one for each CPU the process may use.
// The error wraps a *Mismatch where it does not match the tree, or the tree the Root.
func (t *Tree) Check(ctx context.Context, workers int) error { return t.Reader().Check(ctx, workers) }

// Check reads all of the data, as Tree's Check does.
func (r *Reader) Check(ctx context.Context, workers int) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			room := make([]byte, checkSize)
			for ctx.Err() == nil {
				off := next.Add(checkSize) - checkSize
				if off >= r.root.Size {
					return
				}
				if _, err := r.ReadAt(room, off); err != nil && err != io.EOF {
					stop(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// Create is sif.Create of an image that also has a tree, which is made while the
// partition is written.
func Create(ctx context.Context, f *os.File, c sif.Contents, partition func(w io.Writer) ([]byte, error)) error {
	var b *Builder
	defer func() {
		if b != nil {
			b.Abort()
		}
	}()
	var root Root
	var tree []byte
	c.Attached = []sif.Attachment{
		{Name: RootName, Data: func() (_ []byte, err error) {
			root, tree, err = b.Finish()
			return root.Bytes(), err
		}},
		{Name: TreeName, Data: func() ([]byte, error) { return tree, nil }},
	}
	return sif.Create(f, c, func(w io.Writer) ([]byte, error) {
		start, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		b = NewBuilder(ctx, io.NewSectionReader(f, start, math.MaxInt64-start), DefaultLeafSize, 0)
		return partition(&follower{w: w, b: b})
	})
}

// follower tells a Builder how far a writer has got.
type follower struct {
	w io.Writer
	n int64
	b *Builder
}

func (f *follower) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.n += int64(n)
	f.b.Grow(f.n)
	return n, err
}
