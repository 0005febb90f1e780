package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// withParts makes a SIF file with a system (2) and partitions of other kinds: data
// (4, 5), overlays (6, 7), of which 5 and 7 are said to be ext3.
func withParts(t *testing.T) string {
	t.Helper()
	path := sifFile(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	for _, p := range []struct{ fs, part int32 }{{1, 3}, {2, 3}, {1, 4}, {2, 4}} {
		squash, err := os.Open(squashFile(t))
		must(t, err)
		must(t, sif.AddObjects(t.Context(), f, time.Now(), nil, sif.NewObject{
			Type: sif.FileSystem, FileSystem: p.fs, Part: p.part, Arch: 2, Data: squash,
		}))
		must(t, squash.Close())
	}
	must(t, f.Close())
	return path
}

// opened lists parts as "KIND ID", and closes them.
func opened(t *testing.T, files []*File) string {
	t.Helper()
	var list []string
	for _, f := range files {
		what := f.Kind().String()
		if f.Kind() != Ext3 {
			text, err := f.FS().ReadFile("etc/passwd")
			must(t, err)
			what += " " + strings.TrimSpace(string(text))
		}
		if offset, size := f.Extent(); size == 0 || (f.SIF() != nil) != (offset > 0) {
			t.Errorf("%s: it is %d bytes at %d", f.Path(), size, offset)
		}
		list = append(list, what)
		must(t, f.Close())
	}
	return strings.Join(list, ", ")
}

func TestOpenParts(t *testing.T) {
	parts, squash := withParts(t), squashFile(t)
	ext := filepath.Join(t.TempDir(), "x")
	head := make([]byte, 4096)
	copy(head[1080:], "\x53\xef")
	must(t, os.WriteFile(ext, head, 0o644))
	for _, c := range []struct {
		path string
		use  Use
		id   uint32
		want string
	}{
		{parts, Data, 0, "SIF image's own"},
		{parts, Data, 3, "SIF image's own"}, // the system
		{parts, Data, 5, "ext3"},
		{parts, Data, 6, "SIF image's own"},
		{parts, Layer, 0, "SIF image's own, ext3"},
		{squash, Data, 0, "SquashFS image's own"},
		{squash, Data, 9, "SquashFS image's own"},
		{squash, Layer, 0, "SquashFS image's own"},
		{ext, Data, 0, "ext3"},
		{ext, Layer, 0, "ext3"},
	} {
		files, err := OpenParts(c.path, c.use, c.id, Options{})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got := opened(t, files); got != c.want {
			t.Errorf("%+v opens %s", c, got)
		}
	}
	system, err := Open(parts, Options{})
	must(t, err)
	defer system.Close()
	layers, err := system.Layers(Options{})
	must(t, err)
	if got := opened(t, layers); got != "SIF image's own, ext3" {
		t.Errorf("layers of an image: %s", got)
	}
}

func TestOpenPartsFails(t *testing.T) {
	plain, parts := sifFile(t), withParts(t)
	for _, c := range []struct {
		path   string
		use    Use
		id     uint32
		want   string
		remedy string
	}{
		{plain, Data, 0, "no data partition found", "id=N"},
		{plain, Layer, 0, "it has no overlay", "sealift overlay create"},
		{plain, Data, 77, "no object has the id 77", "sif list"},
		{parts, Data, 1, "is no partition", "sif list"},
		{sandboxDir(t), Data, 0, "it is a directory", "without image-src"},
		{filepath.Join(t.TempDir(), "x"), Data, 0, "no such file", "spelling"},
	} {
		_, err := OpenParts(c.path, c.use, c.id, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
			t.Errorf("%+v: %v, hint %q", c, err, hint.Of(err))
		}
	}
	if none, err := (&File{}).Layers(Options{}); none != nil || err != nil {
		t.Errorf("layers of what is no SIF file: %v, %v", none, err)
	}
}

// TestPartsAreHeld has the rules asked about each part: with its objects, or
// without where no signature could hold.
func TestPartsAreHeld(t *testing.T) {
	var asked []string
	no := errors.New("no")
	o := Options{Hold: func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		if img == nil {
			asked = append(asked, "unsigned")
			return nil, no
		}
		p, err := img.Primary()
		must(t, err)
		asked = append(asked, "selected "+string(rune('0'+p.ID)))
		return nil, nil
	}}
	_, err := OpenParts(withParts(t), Layer, 0, o)
	if got := strings.Join(asked, ", "); !errors.Is(err, no) || got != "selected 6, unsigned" {
		t.Errorf("asked: %s; %v", got, err)
	}
}

// TestExt3 looks at one that mke2fs made.
func TestExt3(t *testing.T) {
	if _, err := exec.LookPath("mke2fs"); err != nil {
		apart.Skip(t, "mke2fs is not installed")
	}
	path := filepath.Join(t.TempDir(), "ext3.img")
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext3", path, "8M").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	files, err := OpenParts(path, Layer, 0, Options{})
	must(t, err)
	if got := opened(t, files); got != "ext3" {
		t.Errorf("it opens as %s", got)
	}
	if _, err := Open(path, Options{}); err == nil || hint.Of(err) == "" {
		t.Errorf("it runs: %v", err)
	}
}
