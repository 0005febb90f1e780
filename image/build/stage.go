package build

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/profile"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// stageRef names a stage in steps; an index of -1 is the host.
type stageRef struct {
	index int
	name  string
}

func (s stageRef) String() string {
	switch {
	case s.index < 0:
		return "the host"
	case s.name == "":
		return fmt.Sprintf("stage %d", s.index+1)
	}
	return "stage " + s.name
}

// A source makes the tree that a stage starts from, a new one at each call.
type source interface {
	tree(ctx context.Context, store tree.Store) (*tree.Node, error)
	// streams tells whether the files' contents go to store, and can be read
	// only from what store wrote.
	streams() bool
}

// An edit changes a tree in place. It may be applied to more than one.
type edit func(root *tree.Node) error

// stage is what a stage of the recipe is so far.
type stage struct {
	b      *building
	source source
	edits  []edit
	// config is the configuration of the OCI image that the stage starts from,
	// or that its local image was made of: what config.md of the OCI image
	// format has under "config", as JSON. env is its environment, digest the
	// manifest's digest.
	env    []string
	config []byte
	base   string
	digest string
	// overlay is the writable root that scripts ran in, until it is edited.
	overlay *overlay
	// hot are the files of a packed source that come first in the output.
	hot []format.Ref
	// settled is the tree in the end, for stages that copy from it.
	settled *tree.Node
}

func (s *stage) edit(e edit) { s.edits = append(s.edits, e) }

// make returns the stage's tree, with the contents of a streaming source
// stored by store. The caller must not change it.
func (s *stage) make(ctx context.Context, store tree.Store) (*tree.Node, error) {
	if s.settled != nil {
		return s.settled, nil
	}
	root, err := s.source.tree(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, e := range s.edits {
		if err := e(root); err != nil {
			return nil, err
		}
	}
	if s.b.options.Reproducible {
		// What scripts wrote is as old as the build.
		for _, n := range root.Walk() {
			n.ModTime = min(n.ModTime, s.b.time())
		}
	}
	return root, nil
}

// contents makes the stage's tree for the writer of an image, and stores first
// what its profile found. check, if not nil, sees the tree before.
func (s *stage) contents(ctx context.Context, check func(*tree.Node) error) writer.Source {
	return func(w *writer.Writer) (*tree.Node, error) {
		root, err := s.make(ctx, w.Store)
		if err == nil && check != nil {
			err = check(root)
		}
		if err == nil {
			err = w.StoreFirst(profile.Nodes(root, s.hot))
		}
		return root, err
	}
}

// packed is a stage packed into a file of the temporary directory. It is a
// source.
type packed struct {
	path   string
	reader *squashfs.Reader
}

func (p packed) tree(context.Context, tree.Store) (*tree.Node, error) { return p.reader.Tree() }
func (p packed) streams() bool                                        { return false }

// rebase packs the stage and makes the result its source, without edits.
func (s *stage) rebase(ctx context.Context) (packed, error) {
	p, err := s.packFile(ctx)
	if errors.Is(err, metadata.ErrUnreadable) {
		// The layers bring metadata, which edits have to read: first the
		// layers alone.
		edits := s.edits
		s.edits = nil
		if p, err = s.packFile(ctx); err == nil {
			s.source, s.edits = p, edits
			p, err = s.packFile(ctx)
		}
	}
	if err != nil {
		return packed{}, output.Explain(err, s.b.work.Path())
	}
	s.source, s.edits, s.overlay = p, nil, nil
	return p, nil
}

func (s *stage) packFile(ctx context.Context) (packed, error) {
	f, err := s.b.workFile("base.squashfs")
	if err != nil {
		return packed{}, err
	}
	r, err := contents.Packed(ctx, f, s.b.writerOptions(), s.contents(ctx, nil))
	return packed{f.Name(), r}, err
}

// settle returns the stage's tree with contents that outlive any writer; the
// stage is complete from then on. The caller must not change the tree.
func (s *stage) settle(ctx context.Context) (*tree.Node, error) {
	if s.settled != nil {
		return s.settled, nil
	}
	if s.source.streams() {
		if _, err := s.rebase(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	s.settled, err = s.make(ctx, nil)
	return s.settled, err
}

// overlay is a writable root: a packed base and what was written over it. It
// is a source.
type overlay struct {
	base  packed
	upper *os.File
	work  string
	b     *building
}

// mount returns the writable root of the stage, a new one when the stage was
// edited since the last script.
func (s *stage) mount(ctx context.Context) (*overlay, error) {
	if s.overlay != nil && len(s.edits) == 0 {
		return s.overlay, nil
	}
	base, err := s.rebase(ctx)
	if err != nil {
		return nil, err
	}
	o := &overlay{base: base, b: s.b}
	if o.upper, err = s.b.workDir("upper"); err != nil {
		return nil, err
	}
	work, err := s.b.workDir("work")
	if err != nil {
		return nil, err
	}
	o.work = work.Name()
	root, err := base.reader.Inode(base.reader.Root())
	if err != nil {
		return nil, err
	}
	// The upper directory's mode is the root directory's.
	if err := o.upper.Chmod(os.FileMode(root.Mode & 0o777)); err != nil {
		return nil, err
	}
	s.source, s.overlay = o, o
	return o, nil
}

func (o *overlay) streams() bool { return false }

// tree returns the base with the upper directory over it. It is called once,
// since reading lifts modes that lock the caller out. Files of the caller
// belong to root in the container; those that the base has as well keep the
// base's owner, which one mapped id could not express. Real root's files have
// the owner that the script left.
func (o *overlay) tree(ctx context.Context, _ tree.Store) (*tree.Node, error) {
	base, err := o.base.reader.Tree()
	if err != nil {
		return nil, err
	}
	// A script may have locked the root directory itself.
	var st unix.Stat_t
	if err := unix.Fstat(int(o.upper.Fd()), &st); err != nil {
		return nil, err
	}
	if err := unix.Fchmod(int(o.upper.Fd()), st.Mode&0o7777|0o700); err != nil {
		return nil, err
	}
	upper, err := sandbox.ReadTree(ctx, o.upper, sandbox.ReadOptions{Overlay: true, Unlock: true, IDs: o.b.ids})
	if err != nil {
		return nil, err
	}
	upper.Mode = st.Mode
	delete(upper.Entries, postScript)
	if o.b.UID != 0 {
		keepOwners(base, upper)
	}
	return tree.Apply(base, upper), nil
}

// keepOwners gives nodes of upper that belong to root the owner of the node
// of the same path and type in base.
func keepOwners(base, upper *tree.Node) {
	if base == nil || base.Type() != upper.Type() {
		return
	}
	if upper.UID == 0 && upper.GID == 0 {
		upper.UID, upper.GID = base.UID, base.GID
	}
	for name, child := range upper.Entries {
		keepOwners(base.Entries[name], child)
	}
}
