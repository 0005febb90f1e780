package merkle

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// layer is a partition for an image besides its system.
func layer(role sif.Role, fileSystem int32, data []byte) sif.NewObject {
	return sif.NewObject{Type: sif.FileSystem, FileSystem: fileSystem, Part: int32(role), Arch: 2, Group: 1, Data: bytes.NewReader(data)}
}

// several returns an image with a tree of its system (2), an overlay (5), data (6) and an ext3 overlay (7).
func several(t testing.TB) *os.File {
	t.Helper()
	f := created(t)
	must(t, sif.Extend(t.Context(), f, time.Unix(5, 0),
		layer(sif.Overlay, 1, noise(3*DefaultLeafSize)), layer(sif.Data, 1, noise(5)), layer(sif.Overlay, 2, noise(7))))
	return f
}

// Each partition that is read as SquashFS gets a tree of its own, once.
func TestAddAll(t *testing.T) {
	f := several(t)
	want, err := FromImage(open(t, f))
	must(t, err)
	must(t, AddMissing(t.Context(), f, sif.Overlay, time.Unix(9, 0)))
	if n := len(open(t, f).Objects()); n != 9 {
		t.Errorf("%d objects with the tree of the overlay", n)
	}
	for range 2 {
		must(t, AddAll(t.Context(), f, time.Unix(9, 0), 1))
	}
	img := open(t, f)
	if len(img.Objects()) != 11 {
		t.Errorf("objects %v", img.Objects())
	}
	roots := map[Root]bool{}
	for _, id := range []uint32{2, 5, 6} {
		tree, err := FromImage(img.Select(id))
		must(t, err)
		must(t, tree.Check(t.Context(), 1))
		roots[tree.Root] = true
		o, _ := img.Object(id)
		if list := Of(img, o); len(list) != 2 || list[0].ID != tree.RootObject.ID || list[1].ID != tree.TreeObject.ID {
			t.Errorf("of %v: %v", o, list)
		}
	}
	if tree, err := FromImage(img); err != nil || tree.Root != want.Root || len(roots) != 3 {
		t.Errorf("the system's tree: %v, %v, of %d roots", tree, err, len(roots))
	}
	if _, err := FromImage(img.Select(7)); err == nil {
		t.Error("an ext3 file system has a tree")
	}
}

// Where a partition lacks one, that is said, and how it gets it.
func TestSelectedWithout(t *testing.T) {
	_, err := FromImage(open(t, several(t)).Select(5))
	if !errors.Is(err, ErrNoTree) || !strings.Contains(err.Error(), "of object 5") || !strings.Contains(hint.Of(err), "sealift sign") {
		t.Errorf("%v (%s)", err, hint.Of(err))
	}
}

// The trees that are there are checked, of whatever partition, before anything is added or not.
func TestAddAllChecks(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *os.File)
		want  string
	}{
		"overlay": {func(t *testing.T, f *os.File) {
			o, _ := open(t, f).Object(5)
			_, err := f.WriteAt([]byte("other"), o.Offset+100)
			must(t, err)
		}, "does not match the image's hash tree"},
		"second root": {func(t *testing.T, f *os.File) {
			must(t, sif.Extend(t.Context(), f, time.Unix(5, 0),
				sif.NewObject{Type: sif.Generic, Name: RootName, Group: 1, Link: 5, Data: strings.NewReader("x")}))
		}, "two objects named"},
		"a root of nothing": {func(t *testing.T, f *os.File) {
			must(t, sif.Extend(t.Context(), f, time.Unix(5, 0),
				sif.NewObject{Type: sif.Generic, Name: RootName, Group: 1, Link: 1, Data: strings.NewReader("x")}))
		}, "two objects named"},
		"in another group": {func(t *testing.T, f *os.File) {
			must(t, sif.Extend(t.Context(), f, time.Unix(5, 0),
				sif.NewObject{Type: sif.Generic, Name: RootName, Group: 2, Link: 5, Data: strings.NewReader("x")}))
		}, "two objects named"},
		"no room": {func(t *testing.T, f *os.File) {
			for open(t, f).Free() > 0 {
				must(t, sif.Extend(t.Context(), f, time.Unix(5, 0), sif.NewObject{Type: sif.Generic, Group: 1, Data: strings.NewReader("x")}))
			}
			o, _ := open(t, f).Object(2)
			_, err := f.WriteAt([]byte("other"), o.Offset+100)
			must(t, err)
		}, "does not match the image's hash tree"},
	} {
		f := several(t)
		must(t, AddMissing(t.Context(), f, sif.Overlay, time.Unix(9, 0)))
		c.spoil(t, f)
		before := len(open(t, f).Objects())
		if err := AddAll(t.Context(), f, time.Unix(9, 0), 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if after := len(open(t, f).Objects()); after != before {
			t.Errorf("%s: %d objects were added", name, after-before)
		}
	}
}

// No tree takes the room of a signature.
func TestAddAllRoom(t *testing.T) {
	f := several(t)
	for open(t, f).Free() > 4 {
		must(t, sif.Extend(t.Context(), f, time.Unix(5, 0), sif.NewObject{Type: sif.Generic, Group: 1, Data: strings.NewReader("x")}))
	}
	must(t, AddAll(t.Context(), f, time.Unix(9, 0), 1))
	img := open(t, f)
	_, overlay := FromImage(img.Select(5))
	_, data := FromImage(img.Select(6))
	if overlay != nil || !errors.Is(data, ErrNoTree) || img.Free() != 2 {
		t.Errorf("overlay: %v, data: %v, room for %d", overlay, data, img.Free())
	}
}
