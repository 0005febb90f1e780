package image

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// fullFile is an image with a tree, a definition file and a configuration.
func fullFile(t testing.TB, config []byte) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "full.sif"))
	must(t, err)
	c := sif.Contents{
		Arch: "amd64", Deffile: []byte(deffile), Time: time.Unix(1, 0),
		JSON: []sif.NamedObject{{Name: sif.OCIConfig, Data: config}},
	}
	must(t, merkle.Create(t.Context(), f, c, func(w io.Writer) ([]byte, error) { return pack(t, w), nil }))
	must(t, f.Close())
	return f.Name()
}

// spoil overwrites all of a file but its partition and its tree.
func spoil(t testing.TB, path string, img *sif.Image) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	first := img.Objects()[0].Offset
	for _, o := range img.Objects() {
		if first = min(first, o.Offset); o.Type != sif.FileSystem && o.Name != merkle.TreeName {
			_, err = f.WriteAt(bytes.Repeat([]byte("X"), int(o.Size)), o.Offset)
			must(t, err)
		}
	}
	_, err = f.WriteAt(bytes.Repeat([]byte("X"), int(first)), 0)
	must(t, err)
}

// What Hold has seen is what is read, whatever was written to the file since.
func TestPinned(t *testing.T) {
	const config = `{"os":"linux"}`
	path := fullFile(t, []byte(config))
	before, err := os.ReadFile(path)
	must(t, err)
	f, err := Open(path, Options{Hold: func(_ *os.File, img *sif.Image) (*merkle.Reader, error) {
		r, err := merkle.Held(img)
		spoil(t, path, img)
		return r, err
	}})
	must(t, err)
	defer f.Close()
	if b, err := f.OCIConfig(); err != nil || string(b) != config {
		t.Errorf("configuration %q, %v", b, err)
	}
	if b, err := f.Deffile(); err != nil || string(b) != deffile {
		t.Errorf("definition file %q, %v", b, err)
	}
	if all, err := everything(f.FS()); err != nil || !strings.Contains(all, "image's own") {
		t.Errorf("file system %q, %v", all, err)
	}
	wantView(t, f, before)
	again, err := sif.Open(f.pins, f.SIF().Header().DataOffset+f.SIF().Header().DataSize)
	must(t, err)
	if len(again.Objects()) != len(f.SIF().Objects()) {
		t.Error("the descriptors are read again")
	}
	tree, err := merkle.FromImage(f.SIF())
	must(t, err)
	if root, ok := f.Root(); !ok || root != tree.Root.Digest() {
		t.Errorf("root %x, %v", root, ok)
	}
}

// wantView wants the view of a file that was spoilt to be that from before as far as it
// is held or pinned, and the file's elsewhere, whatever is read at a time.
func wantView(t testing.TB, f *File, before []byte) {
	t.Helper()
	want, err := os.ReadFile(f.Path())
	must(t, err)
	known := []span{{0, sif.HeaderSize}, {f.SIF().Header().TableOffset, f.SIF().Header().TableSize}}
	for _, o := range f.SIF().Objects() {
		if o.Type == sif.FileSystem || used(o) {
			known = append(known, span{o.Offset, o.Size})
		}
	}
	if bytes.Equal(want, before) {
		t.Fatal("nothing was spoilt")
	}
	for _, s := range known {
		copy(want[s.offset:s.offset+s.size], before[s.offset:])
	}
	for _, step := range []int{1 << 20, 4096, 997} {
		r := f.Held()
		got := make([]byte, 0, len(want))
		for b := make([]byte, step); ; {
			n, err := r.Read(b)
			got = append(got, b[:n]...)
			if err == io.EOF {
				break
			}
			must(t, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("by %d bytes, the view is not what is read", step)
		}
	}
}

// What is too large is not read, unless nobody holds the image.
func TestPinnedLimit(t *testing.T) {
	path := fullFile(t, make([]byte, 1000))
	img, p := pinFile(t, path, 999)
	config, _ := img.Find(sif.JSON, sif.OCIConfig)
	def := img.Objects()[0]
	_, err := img.Read(config, 1000)
	must(t, err) // to verify it
	p.settle(img, true)
	if _, err := img.Read(config, 1000); err == nil || !strings.Contains(err.Error(), "is not kept of an image that rules hold") {
		t.Error(err)
	}
	if b, err := img.Read(def, 100); err != nil || string(b) != deffile {
		t.Errorf("%q, %v", b, err)
	}
	img, p = pinFile(t, path, 999)
	p.settle(img, false)
	if _, err := img.Read(config, 1000); err != nil || p.parts != nil {
		t.Errorf("%d parts, %v", len(p.parts), err)
	}

	f, err := Open(path, Options{Hold: func(*os.File, *sif.Image) (*merkle.Reader, error) { return nil, nil }})
	must(t, err)
	defer f.Close()
	if _, ok := f.Root(); ok || f.Held() != nil {
		t.Error("nobody holds it")
	}
	if b, err := f.OCIConfig(); err != nil || len(b) != 1000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, _, err := pin(strings.NewReader("short"), 5, 0); err == nil {
		t.Error("five bytes are a SIF file")
	}
}

func pinFile(t *testing.T, path string, room int64) (*sif.Image, *pins) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	st, err := f.Stat()
	must(t, err)
	img, p, err := pin(f, st.Size(), room)
	must(t, err)
	return img, p
}
