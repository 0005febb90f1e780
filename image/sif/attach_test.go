package sif

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

func attached(name, data string) Attachment {
	return Attachment{name, func() ([]byte, error) { return []byte(data), nil }}
}

func reopen(t *testing.T, f *os.File) *Image {
	t.Helper()
	st, err := f.Stat()
	must(t, err)
	img, err := Open(f, st.Size())
	must(t, err)
	return img
}

// checkAttached makes sure that an image ends with two objects of its partition.
func checkAttached(t *testing.T, f *os.File) {
	t.Helper()
	img := reopen(t, f)
	part, err := img.Primary()
	must(t, err)
	objects := img.Objects()
	for i, want := range []string{"first", "second"} {
		o := objects[len(objects)-2+i]
		b, err := img.Read(o, 10)
		must(t, err)
		if o.Type != Generic || o.Name != want || string(b) != want[:3] || o.Link != part.ID || o.LinksGroup ||
			o.Group != 1 || o.Offset < part.Offset+part.Size || o.Created != 1700000000 {
			t.Errorf("attached: %+v with %q", o, b)
		}
		if found, ok := img.Object(o.ID); !ok || found != o {
			t.Errorf("object %d is found as %v, %v", o.ID, found, ok)
		}
	}
	if _, ok := img.Object(99); ok {
		t.Error("object 99 is found")
	}
	peer, err := sif.LoadContainerFromPath(f.Name(), sif.OptLoadWithFlag(os.O_RDONLY))
	must(t, err)
	if _, err := peer.GetDescriptors(sif.WithLinkedID(part.ID), sif.WithDataType(sif.DataGeneric)); err != nil {
		t.Errorf("the reference library finds no linked objects: %v", err)
	}
	must(t, peer.UnloadContainer())
}

func TestCreateAttached(t *testing.T) {
	f := newFile(t)
	c := contents()
	whole := false
	c.Attached = []Attachment{{"first", func() ([]byte, error) {
		var super [superSize]byte
		part, err := f.Seek(0, 1)
		if err == nil {
			_, err = f.ReadAt(super[:4], part-100)
		}
		whole = string(super[:4]) == "hsqs"
		return []byte("fir"), err
	}}, attached("second", "sec")}
	must(t, Create(f, c, squash("body")))
	if !whole {
		t.Error("the partition has no superblock yet when it is asked what belongs to it")
	}
	checkAttached(t, f)
}

func TestExtendWithLinks(t *testing.T) {
	f := newFile(t)
	must(t, Create(f, contents(), squash("body")))
	part, err := reopen(t, f).Primary()
	must(t, err)
	linked := func(name string) NewObject {
		return NewObject{Type: Generic, Name: name, Group: 1, Link: part.ID, Data: strings.NewReader(name[:3])}
	}
	must(t, Extend(t.Context(), f, contents().Time, linked("first"), linked("second")))
	checkAttached(t, f)
}

func TestExtendFails(t *testing.T) {
	f := newFile(t)
	must(t, Create(f, contents(), squash("body")))
	extend := func(objects ...NewObject) error { return Extend(t.Context(), f, time.Unix(1, 0), objects...) }
	one := NewObject{Type: Generic, Data: strings.NewReader("x")}
	err := extend(make([]NewObject, 43)...)
	if err == nil || !strings.Contains(err.Error(), "42 more objects; 43") || hint.Of(err) != "build the image again" {
		t.Errorf("too many: %v (%s)", err, hint.Of(err))
	}
	broken := errors.New("broken")
	if err := extend(NewObject{Type: Generic, Data: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Errorf("data that cannot be made: %v", err)
	}
	_, err = f.WriteAt([]byte{7}, 4096+5) // the id of the first object, where the library numbers by place
	must(t, err)
	if err := extend(one); err == nil || !strings.Contains(err.Error(), "a second object has the id 7") {
		t.Errorf("an id that is taken: %v", err)
	}
	must(t, os.WriteFile(f.Name(), []byte("no image"), 0o600))
	if err := extend(one); err == nil {
		t.Error("something that is no image is changed")
	}
}
