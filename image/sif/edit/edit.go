// Package edit changes the objects of SIF files, and does not let a signature
// break unnoticed.
//
// Input: an image, and the change. Output: the image, changed whole or not at all
// whatever ends the process. A change that a signature would not survive is
// refused unless it is forced, since nobody would notice before the image is
// verified.
package edit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/siffile"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Options are how an image is changed.
type Options struct {
	// Force makes a change that breaks signatures.
	Force bool
	// Now is the time of the change.
	Now time.Time
	// Warn is told of what is to be known about a change that is made.
	Warn func(text string)
}

// DefaultGroup is the group of a new object where nobody asks for another one: that
// of the primary system partition, or else the first there is.
func DefaultGroup(img *sif.Image) uint32 {
	if o, ok := img.PrimaryObject(); ok && o.Group != 0 {
		return o.Group
	}
	group := uint32(0)
	for _, o := range img.Objects() {
		if o.Group != 0 && (group == 0 || o.Group < group) {
			group = o.Group
		}
	}
	return max(group, 1)
}

// Overlay returns a partition that is laid over the system: with a file system by the
// format's number, 1 for SquashFS and 2 for ext3, and an architecture by its Go name.
func Overlay(fileSystem int32, arch string, data io.Reader) sif.NewObject {
	const role = 4 // as sif add has it
	o := sif.NewObject{Type: sif.FileSystem, Name: "overlay", FileSystem: fileSystem, Part: role, Data: data}
	for n := int32(1); n < 100; n++ {
		if sif.ArchName(n) == arch {
			o.Arch = n
		}
	}
	return o
}

// Add adds an object to the image in f, which must be open for reading and writing.
// Group is the object's unless nil: DefaultGroup then, and none for signatures.
func Add(ctx context.Context, f *os.File, o sif.NewObject, group *uint32, opts Options) error {
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	switch {
	case group != nil:
		o.Group = *group
	case o.Type != sif.Signature:
		o.Group = DefaultGroup(img)
	}
	return sif.AddObjects(ctx, f, opts.Now, func(img *sif.Image) error { return opts.mayAdd(img, o) }, o)
}

// mayAdd refuses an object that breaks signatures.
func (opts Options) mayAdd(img *sif.Image, o sif.NewObject) error {
	all := signatures(img, func(sif.Object) bool { return true })
	if o.Type == sif.Signature || len(all) == 0 {
		return nil
	}
	if o.Group == 0 {
		return opts.broken("an object in no group cannot be signed, and no signature of the image is enough with one", all,
			"add it to a group of its own, by --groupid %d, and sign that", unused(img))
	}
	if broken := signatures(img, ofGroup(o.Group)); len(broken) > 0 {
		return opts.broken(fmt.Sprintf("group %d is signed, and another object in it breaks the signature", o.Group), broken,
			"add it to a group of its own, by --groupid %d, and sign that", unused(img))
	}
	opts.Warn(fmt.Sprintf("the image is signed, but group %d is not: sealift sign --group-id %d", o.Group, o.Group))
	return nil
}

// Delete removes an object from the image in f, which must be open for reading and
// writing; before a partition its hash tree, which would be nobody's, or that of the next
// partition that gets the id.
func Delete(f *os.File, id uint32, opts Options) error {
	allow := func(opts Options, id uint32) func(*sif.Image) error {
		return func(img *sif.Image) error { return opts.mayDelete(img, id, f.Name()) }
	}
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	if o, ok := img.Object(id); ok && o.Type == sif.FileSystem {
		quiet := opts // what there is to warn of, the partition's own deletion tells
		quiet.Warn = func(string) {}
		if err := allow(quiet, id)(img); err != nil {
			return fmt.Errorf("sif: %w", err)
		}
		for _, part := range merkle.Of(img, o) {
			if err := sif.Delete(f, part.ID, opts.Now, allow(quiet, part.ID)); err != nil {
				return err
			}
		}
	}
	return sif.Delete(f, id, opts.Now, allow(opts, id))
}

// mayDelete refuses what breaks signatures.
func (opts Options) mayDelete(img *sif.Image, id uint32, name string) error {
	o, err := img.Lookup(id)
	if err != nil {
		return err
	}
	if o.Type == sif.Signature {
		left := signatures(img, func(s sif.Object) bool { return s.ID != id && s.Link == o.Link && s.LinksGroup == o.LinksGroup })
		if len(left) == 0 {
			opts.Warn(fmt.Sprintf("no signature of %s is left", linked(o)))
		}
		return nil
	}
	if broken := signatures(img, covers(o)); len(broken) > 0 {
		return opts.broken(fmt.Sprintf("%v is signed, and the signature breaks without it", o), broken,
			"delete the signature first, and sign again after: sealift sif del %d %s", broken[0].ID, name)
	}
	return nil
}

// SetPrimary makes a partition the primary one. The image is replaced by a changed
// copy: no write in place changes two descriptors at once. A copy takes no room
// where the file system can share blocks.
func SetPrimary(ctx context.Context, path string, id uint32, opts Options) error {
	f, err := siffile.Open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	unlock, err := sif.Lock(f)
	if err == nil {
		err = opts.setPrimary(ctx, f, id)
		unlock()
	}
	return errors.Join(err, f.Close())
}

func (opts Options) setPrimary(ctx context.Context, f *os.File, id uint32) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	img, err := sif.Open(f, st.Size())
	if err != nil {
		return err
	}
	o, err := img.Lookup(id)
	if err != nil {
		return err
	}
	before, had := img.PrimaryObject()
	if had && before.ID == id {
		return nil
	}
	if broken := signatures(img, func(s sif.Object) bool { return covers(o)(s) || had && covers(before)(s) }); len(broken) > 0 {
		return opts.broken("a signature covers which partition is the primary one", broken,
			"delete the signature first, and sign again after: sealift sif del %d %s", broken[0].ID, f.Name())
	}
	return rewrite(ctx, f, st, func(f *os.File) error { return sif.SetPrimary(f, id, opts.Now) })
}

// rewrite replaces a file by a copy that change has changed.
func rewrite(ctx context.Context, f *os.File, st os.FileInfo, change func(*os.File) error) (err error) {
	path, err := filepath.EvalSymlinks(f.Name())
	if err != nil {
		return err
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(st, now) {
		return errors.Join(err, fmt.Errorf("%s: it was replaced meanwhile", f.Name()))
	}
	out, err := output.Create(path, output.Options{Force: true, Mode: st.Mode().Perm()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Abort()) }()
	if err := copyTo(ctx, out.File(), f, st.Size()); err != nil {
		return out.Explain(err)
	}
	if err := change(out.File()); err != nil {
		return out.Explain(err)
	}
	if err := sameOwner(out.File(), st); err != nil {
		return err
	}
	return out.Commit()
}

// copyTo copies size bytes, by sharing blocks where the file system can.
func copyTo(ctx context.Context, to, from *os.File, size int64) error {
	const piece = 64 << 20
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for left := size; left > 0; left -= piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, min(left, piece)); err != nil {
			return err
		}
	}
	return nil
}

// broken refuses a change that breaks signatures, or tells of it.
func (opts Options) broken(why string, signatures []sif.Object, remedy string, args ...any) error {
	if !opts.Force {
		return hint.New(why, remedy+"; or --force, and sign again after", args...)
	}
	var ids []string
	for _, s := range signatures {
		ids = append(ids, fmt.Sprint(s.ID))
	}
	opts.Warn(fmt.Sprintf("%s: this breaks signature %s", why, strings.Join(ids, ", ")))
	return nil
}

// signatures returns those of an image that match.
func signatures(img *sif.Image, match func(sif.Object) bool) []sif.Object {
	return slices.DeleteFunc(slices.Clone(img.Objects()), func(o sif.Object) bool { return o.Type != sif.Signature || !match(o) })
}

func ofGroup(group uint32) func(sif.Object) bool {
	return func(s sif.Object) bool { return s.LinksGroup && s.Link == group }
}

// covers matches the signatures that may be about an object.
func covers(o sif.Object) func(sif.Object) bool {
	return func(s sif.Object) bool {
		return s.LinksGroup && o.Group != 0 && s.Link == o.Group || !s.LinksGroup && s.Link == o.ID
	}
}

func linked(s sif.Object) string {
	if s.LinksGroup {
		return fmt.Sprintf("group %d", s.Link)
	}
	return fmt.Sprintf("object %d", s.Link)
}

// unused returns a group that no object is in.
func unused(img *sif.Image) uint32 {
	group := uint32(0)
	for _, o := range img.Objects() {
		group = max(group, o.Group)
	}
	return group + 1
}
