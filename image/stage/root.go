package stage

import (
	"context"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/owner"
)

// Root is a writable root: layers and what was written over them. It is a
// Source.
type Root struct {
	set *Setting
	// below are the layers, and View is what they are together.
	below stack
	View  contents.FS
	// Upper is the directory for what is written, Work the path of overlayfs's
	// own.
	Upper *os.File
	Work  string
	// Private are names in the root directory that are not the image's.
	Private []string
}

// Layers returns the layers, the topmost first.
func (r *Root) Layers() []*squashfs.Reader { return r.below.topFirst() }

func (s stack) topFirst() []*squashfs.Reader {
	layers := slices.Clone(s)
	slices.Reverse(layers)
	return layers
}

// Layers makes layers of the stage, the topmost first, and shows what they are
// together.
func (s *Stage) Layers(ctx context.Context) ([]*squashfs.Reader, contents.FS, error) {
	below, view, err := s.stack(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.source, s.root, s.edits = below, nil, nil
	return below.topFirst(), view, nil
}

// Mount returns the writable root of the stage, a new one when the stage was
// edited since the last script.
func (s *Stage) Mount(ctx context.Context) (*Root, error) {
	if s.root != nil && len(s.edits) == 0 {
		return s.root, nil
	}
	r := &Root{set: s.set}
	var err error
	if r.below, r.View, err = s.stack(ctx); err != nil {
		return nil, err
	}
	if r.Upper, err = s.set.Dir("upper"); err != nil {
		return nil, s.set.Explain(err)
	}
	work, err := s.set.Dir("work")
	if err != nil {
		return nil, s.set.Explain(err)
	}
	r.Work = work.Name()
	if err := r.likeRoot(); err != nil {
		return nil, s.set.Explain(err)
	}
	s.source, s.root, s.edits = r, r, nil
	return r, nil
}

// likeRoot gives the upper directory the mode and the owner of the root
// directory that it stands for.
func (r *Root) likeRoot() error {
	top := r.below[len(r.below)-1]
	root, err := top.Inode(top.Root())
	if err != nil {
		return err
	}
	if err := unix.Fchmod(int(r.Upper.Fd()), root.Mode&0o7777); err != nil {
		return err
	}
	belongs := owner.Record{UID: root.UID, GID: root.GID}
	switch {
	case r.set.UID == 0:
		return r.Upper.Chown(int(root.UID), int(root.GID))
	case belongs.Root():
		return nil
	}
	// As overlayfs would have copied it up.
	return unix.Fsetxattr(int(r.Upper.Fd()), owner.Name, belongs.Append(nil), 0)
}

// stack returns the stage as layers, and what they are together. Where its
// source has some, what is different by now makes one more.
func (s *Stage) stack(ctx context.Context) (stack, contents.FS, error) {
	below := s.stacked()
	if below == nil {
		p, err := s.Pack(ctx)
		if err != nil {
			return nil, nil, err
		}
		return p.layers(), p.Reader.FS(), nil
	}
	if s.root == nil && len(s.edits) == 0 {
		now, err := s.tree(ctx, nil)
		return below, contents.TreeFS(now), err
	}
	changes, now, err := s.changes(ctx, below)
	if err != nil {
		return nil, nil, err
	}
	if changes == nil {
		return below, contents.TreeFS(now), nil
	}
	p, err := s.packNew(ctx, writer.Whole(changes))
	if err != nil {
		return nil, nil, err
	}
	return append(slices.Clone(below), p.Reader), contents.TreeFS(now), nil
}

// sameFile reports whether two contents are one file of one image.
func sameFile(a, b tree.Content) bool {
	x, ok := a.(*squashfs.File)
	y, ok2 := b.(*squashfs.File)
	return ok && ok2 && x.Reader() == y.Reader() && x.Inode().Ref == y.Inode().Ref
}

// Streams is Source's.
func (r *Root) Streams() bool { return false }

func (r *Root) layers() []*squashfs.Reader { return r.below }

// Tree returns the layers with the upper directory over them. It is called
// once, since reading lifts modes that lock the caller out. Files of the caller
// belong to root in the container, unless an attribute, the layers' or one of
// the root emulation, says otherwise. Real root's files have the owner that the
// script left.
func (r *Root) Tree(ctx context.Context, _ tree.Store) (*tree.Node, error) {
	base, err := r.below.Tree(ctx, nil)
	if err != nil {
		return nil, err
	}
	// A script may have locked the root directory itself.
	var st unix.Stat_t
	if err := unix.Fstat(int(r.Upper.Fd()), &st); err != nil {
		return nil, err
	}
	if err := unix.Fchmod(int(r.Upper.Fd()), st.Mode&0o7777|0o700); err != nil {
		return nil, err
	}
	upper, err := sandbox.ReadTree(ctx, r.Upper, sandbox.ReadOptions{Overlay: true, Unlock: true, IDs: r.set.IDs})
	if err != nil {
		return nil, err
	}
	upper.Mode = st.Mode
	for _, name := range r.Private {
		delete(upper.Entries, name)
	}
	if r.set.UID != 0 {
		keepOwners(base, upper)
	}
	return tree.Apply(base, upper), nil
}

// IDs maps the caller to root.
func (s *Setting) IDs(uid, gid uint32) (uint32, uint32) {
	if uid == s.UID {
		uid = 0
	}
	if gid == s.GID {
		gid = 0
	}
	return uid, gid
}

// keepOwners gives nodes of upper that belong to root the owner of the node
// of the same path and type in base, where that could not be copied up as an
// attribute.
func keepOwners(base, upper *tree.Node) {
	if base == nil || base.Type() != upper.Type() {
		return
	}
	carries := upper.Type() == tree.TypeDir || upper.Type() == tree.TypeRegular
	if !carries && upper.UID == 0 && upper.GID == 0 {
		upper.UID, upper.GID = base.UID, base.GID
	}
	for name, child := range upper.Entries {
		keepOwners(base.Entries[name], child)
	}
}
