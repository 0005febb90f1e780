package merkle

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// body is the partition of test images; the image's own bytes are not read as SquashFS here.
var body = noise(300*DefaultLeafSize + 55)

func partition(w io.Writer) ([]byte, error) { return write(w, body) }

func write(w io.Writer, body []byte) ([]byte, error) {
	_, err := w.Write(append(make([]byte, 96), body[96:]...))
	return body[:96], err
}

func contents() sif.Contents {
	return sif.Contents{
		Arch: "amd64", Deffile: []byte("Bootstrap: scratch\n"), Time: time.Unix(1700000000, 0), Reproducible: true,
	}
}

func newFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sif"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// created returns an image with a tree, and bare one without.
func created(t testing.TB) *os.File {
	t.Helper()
	f := newFile(t)
	must(t, Create(context.Background(), f, contents(), partition))
	return f
}

func bare(t testing.TB) *os.File {
	t.Helper()
	f := newFile(t)
	must(t, sif.Create(f, contents(), partition))
	return f
}

func open(t testing.TB, f *os.File) *sif.Image {
	t.Helper()
	img, err := opened(f)
	must(t, err)
	return img
}

func opened(f *os.File) (*sif.Image, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return sif.Open(f, st.Size())
}

func TestCreate(t *testing.T) {
	f := created(t)
	tree, err := FromImage(open(t, f))
	must(t, err)
	got := make([]byte, len(body))
	_, err = tree.Reader().ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, body) {
		t.Error("the partition is read otherwise than it was written")
	}
	must(t, tree.Check(context.Background(), 2))
	for id, want := range map[uint32]bool{
		1: false, tree.Partition.ID: true, tree.RootObject.ID: false, tree.TreeObject.ID: true, 9: false,
	} {
		if tree.Vouched(id) != want {
			t.Errorf("object %d is vouched for: %v", id, !want)
		}
	}
	stored := make([]byte, RootSize)
	_, err = f.ReadAt(stored, tree.RootObject.Offset)
	must(t, err)
	if !bytes.Equal(stored, tree.RootBytes()) {
		t.Error("RootBytes are not those of the object")
	}
	again, err := os.ReadFile(created(t).Name())
	must(t, err)
	if first, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same image made twice differs (%v)", err)
	}
}

func TestCreateFails(t *testing.T) {
	broken := errors.New("broken")
	err := Create(context.Background(), newFile(t), contents(), func(w io.Writer) ([]byte, error) {
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		return nil, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("a partition that fails: %v", err)
	}
	full := newFile(t)
	_, err = full.Write([]byte("x"))
	must(t, err)
	if err := Create(context.Background(), full, contents(), partition); err == nil {
		t.Error("a file that is not empty is written to")
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := Create(stopped, newFile(t), contents(), partition); !errors.Is(err, context.Canceled) {
		t.Errorf("with its context ended: %v", err)
	}
}

// What Add makes is what Create makes, but for when the file was changed.
func TestAdd(t *testing.T) {
	f := bare(t)
	at := contents().Time
	added, err := Add(context.Background(), f, open(t, f), at, 2)
	must(t, err)
	if !added {
		t.Error("nothing is added to an image without a tree")
	}
	want, err := os.ReadFile(created(t).Name())
	must(t, err)
	got, err := os.ReadFile(f.Name())
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("an image that was given its tree later differs")
	}
	if added, err := Add(context.Background(), f, open(t, f), at, 2); added || err != nil {
		t.Errorf("an image with a tree: %v, %v", added, err)
	}
}

// An image that is signed stays as it is: what its signature covers would be one object more.
func TestAddToASignedImage(t *testing.T) {
	for name, link := range map[string]uint32{"group": 0xf0000001, "object": 2} {
		f := bare(t)
		part, err := open(t, f).Primary()
		must(t, err)
		o, _ := open(t, f).Object(part.ID)
		must(t, sif.Extend(t.Context(), f, time.Unix(5, 0),
			sif.NewObject{Type: sif.Generic, Name: "signature", Group: o.Group, Link: o.ID, Data: strings.NewReader("sig")}))
		patch(t, f, 3, 0, uint32(sif.Signature))
		patch(t, f, 3, 13, link)
		before, err := os.ReadFile(f.Name())
		must(t, err)
		if added, err := Add(context.Background(), f, open(t, f), time.Unix(9, 0), 1); added || err != nil {
			t.Errorf("%s: %v, %v", name, added, err)
		}
		if after, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func attachment(name string, data []byte) sif.Attachment {
	return sif.Attachment{Name: name, Data: func() ([]byte, error) { return data, nil }}
}

// patch writes a number to a field of the descriptor of the object with an id.
func patch(t testing.TB, f *os.File, id, field int64, value uint32) {
	t.Helper()
	_, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, value), 4096+(id-1)*585+field)
	must(t, err)
}

// Everything that could pass for the tree of something else is refused.
func TestHostileImages(t *testing.T) {
	root, tree, err := Build(context.Background(), bytes.NewReader(body), int64(len(body)), 1)
	must(t, err)
	other := root
	other.Size++
	good := []sif.Attachment{attachment(RootName, root.Bytes()), attachment(TreeName, tree)}
	for name, c := range map[string]struct {
		attached []sif.Attachment
		patch    func(f *os.File)
		want     string
	}{
		"no tree":      {nil, nil, "no hash tree"},
		"no root":      {good[1:], nil, "no hash tree"},
		"no nodes":     {good[:1], nil, "no hash tree"},
		"two roots":    {append(good[:2:2], good[0]), nil, `two objects named "sealift.merkle-root"`},
		"two trees":    {append(good[:2:2], good[1]), nil, `two objects named "sealift.merkle-tree"`},
		"long root":    {[]sif.Attachment{attachment(RootName, append(root.Bytes(), 0)), good[1]}, nil, "65 bytes; the limit"},
		"bad root":     {[]sif.Attachment{attachment(RootName, make([]byte, RootSize)), good[1]}, nil, "malformed"},
		"other size":   {[]sif.Attachment{attachment(RootName, other.Bytes()), good[1]}, nil, "its file system has"},
		"short tree":   {[]sif.Attachment{good[0], attachment(TreeName, tree[1:])}, nil, "its hash tree has"},
		"other type":   {good, func(f *os.File) { patch(t, f, 3, 0, uint32(sif.JSON)) }, "should be of type"},
		"other link":   {good, func(f *os.File) { patch(t, f, 3, 13, 1) }, "is not linked to"},
		"links group":  {good, func(f *os.File) { patch(t, f, 4, 13, 0xf0000002) }, "is not linked to"},
		"other group":  {good, func(f *os.File) { patch(t, f, 4, 9, 0xf0000002) }, "is not in the group"},
		"no group":     {good, func(f *os.File) { patch(t, f, 2, 9, 0xf0000000) }, "is not in the group"},
		"no partition": {good, func(f *os.File) { patch(t, f, 2, 205, 3) }, "no primary system partition"},
	} {
		f := newFile(t)
		with := contents()
		with.Attached = c.attached
		must(t, sif.Create(f, with, partition))
		if c.patch != nil {
			c.patch(f)
		}
		if _, err := FromImage(open(t, f)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if missing := strings.Contains(c.want, "no hash tree"); errors.Is(err, ErrNoTree) != missing {
			t.Errorf("%s: ErrNoTree is %v", name, !missing)
		} else if missing && !strings.Contains(hint.Of(err), "build the image again") {
			t.Errorf("%s: hint %q", name, hint.Of(err))
		}
	}
	if _, err := FromImage(nil); !errors.Is(err, ErrNoTree) {
		t.Errorf("no SIF file: %v", err)
	}
}

// Check finds what FromImage cannot: a tree of other data, or none at all.
func TestCheck(t *testing.T) {
	for name, at := range map[string]func(*Tree) int64{
		"data": func(t *Tree) int64 { return t.Partition.Offset + 77 },
		"tree": func(t *Tree) int64 { return t.TreeObject.Offset + t.TreeObject.Size - 1 },
		"top":  func(t *Tree) int64 { return t.RootObject.Offset + RootSize - 1 },
	} {
		f := created(t)
		tree, err := FromImage(open(t, f))
		must(t, err)
		must(t, tree.Check(context.Background(), 0))
		var b [1]byte
		_, err = f.ReadAt(b[:], at(tree))
		must(t, err)
		_, err = f.WriteAt([]byte{b[0] ^ 1}, at(tree))
		must(t, err)
		tree, err = FromImage(open(t, f))
		must(t, err)
		added, err := Add(context.Background(), f, open(t, f), time.Unix(1, 0), 2)
		if _, ok := errors.AsType[*Mismatch](err); !ok || added {
			t.Errorf("%s: Add says %v, %v", name, added, err)
		}
		if _, ok := errors.AsType[*Mismatch](tree.Check(context.Background(), 2)); !ok {
			t.Errorf("%s: not found", name)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	tree, err := FromImage(open(t, created(t)))
	must(t, err)
	if err := tree.Check(stopped, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("with its context ended: %v", err)
	}
}
