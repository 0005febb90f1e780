package merkle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sealift/sealift/image/sif"
)

// newObjects is how many objects a tree is.
const newObjects = 2

// Add makes sure, for who is to sign it, that the image in f, which was opened as img, has a tree of its primary
// partition, or of the one that is selected, and that this is the partition's: it adds it (sif.Add) or checks it
// (Tree.Check). What img is does not change: it does not know of a tree that was added. An image without one whose
// partition is signed stays so: a group that has got another object no longer is what was signed.
func Add(ctx context.Context, f *os.File, img *sif.Image, at time.Time, workers int) (added bool, err error) {
	t, err := FromImage(img)
	if err == nil {
		return false, t.Check(ctx, workers)
	}
	if !errors.Is(err, ErrNoTree) {
		return false, err
	}
	part, err := img.Primary()
	if err != nil {
		return false, err
	}
	o, _ := img.Object(part.ID)
	if signed(img, o) {
		return false, nil
	}
	if o.Group == 0 {
		return false, fmt.Errorf("%v is in no group", o)
	}
	root, tree, err := Build(ctx, img.Section(o), o.Size, workers)
	if err != nil {
		return false, err
	}
	object := func(name string, data []byte) sif.NewObject {
		return sif.NewObject{Type: sif.Generic, Name: name, Group: o.Group, Link: o.ID, Data: bytes.NewReader(data)}
	}
	err = sif.AddObjects(ctx, f, at, nil, object(RootName, root.Bytes()), object(TreeName, tree))
	return err == nil, err
}

// AddAll is Add for each partition of the image in f that can have a tree: the primary one, then those that are
// laid over it, bound into containers or other systems. Where there would be no room for so many objects as spare
// says after it, nothing is added; what is there is checked all the same.
func AddAll(ctx context.Context, f *os.File, at time.Time, spare int) error {
	return addEach(ctx, f, at, spare, func(sif.Partition, bool) bool { return true })
}

// AddMissing gives a tree to each partition of a role that has none and can have one, as AddAll does. What is there
// is not checked: that is for who signs.
func AddMissing(ctx context.Context, f *os.File, role sif.Role, at time.Time) error {
	return addEach(ctx, f, at, 0, func(p sif.Partition, missing bool) bool { return p.Role == role && missing })
}

func addEach(ctx context.Context, f *os.File, at time.Time, spare int, wanted func(p sif.Partition, missing bool) bool) error {
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	for _, id := range Partitions(img) {
		if img, err = sif.Load(f); err != nil { // with what was added
			return err
		}
		of := img
		if primary, ok := img.PrimaryObject(); !ok || primary.ID != id {
			of = img.Select(id)
		}
		o, _ := img.Object(id)
		p, _ := o.Partition()
		_, err := FromImage(of)
		missing := errors.Is(err, ErrNoTree)
		if !wanted(p, missing) || missing && (o.Group == 0 || img.Free() < newObjects+spare) {
			continue
		}
		if _, err := Add(ctx, f, of, at, 0); err != nil {
			return err
		}
	}
	return nil
}

// Partitions returns the ids of the partitions that can have a tree, the primary one first.
func Partitions(img *sif.Image) (ids []uint32) {
	primary, _ := img.PrimaryObject()
	for _, o := range img.Objects() {
		if o.Type != sif.FileSystem {
			continue
		}
		if _, err := img.Select(o.ID).Primary(); err == nil {
			ids = append(ids, o.ID)
		}
	}
	slices.SortStableFunc(ids, func(a, b uint32) int {
		switch primary.ID {
		case a:
			return -1
		case b:
			return 1
		}
		return 0
	})
	return ids
}

// signed says whether there is a signature of the object or its group.
func signed(img *sif.Image, o sif.Object) bool {
	return slices.ContainsFunc(img.Objects(), func(s sif.Object) bool {
		of := o.ID
		if s.LinksGroup {
			of = o.Group
		}
		return s.Type == sif.Signature && s.Link == of
	})
}
