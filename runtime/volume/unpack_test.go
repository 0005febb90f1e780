package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/runtime/layout"
)

// squash writes a SquashFS file that holds one file and what removes another.
func squash(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	must(t, err)
	w, err := writer.New(f, writer.Options{})
	must(t, err)
	root := tree.NewDir(0o755)
	root.Entries["name"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(name)}
	root.Entries["gone"] = &tree.Node{Mode: tree.TypeChar}
	root.Entries["device"] = &tree.Node{Mode: tree.TypeChar | 0o666, Rdev: 259}
	super, err := w.Finish(root)
	must(t, err)
	_, err = f.WriteAt(super.Bytes(), 0)
	must(t, errors.Join(err, f.Close()))
	return path
}

// set opens an image, and another one to be bound from.
func set(t *testing.T) *Set {
	t.Helper()
	img, err := image.Open(squash(t, "image"), image.Options{})
	must(t, err)
	s, err := NewSet(img, image.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Add([]layout.Want{{Path: squash(t, "data"), Use: image.Data}, {Use: image.System}}, image.Options{}))
	if len(s.Volumes()) != 1 {
		t.Fatalf("%d volumes", len(s.Volumes()))
	}
	return s
}

// unpacking returns options, and where is told of what happens.
func unpacking(room int64, dir string) (Unpacking, *string) {
	told := new(string)
	return Unpacking{All: true, Room: room, TempDir: dir, Told: func(names string, size int64, dir string) {
		if size < 2*4096 || size > 1<<20 {
			dir = "of an odd size"
		}
		*told = names + " " + dir
	}}, told
}

var ofImage, ofData = layout.Served{Volume: -1}, layout.Served{Volume: 0}

func TestServed(t *testing.T) {
	s := set(t)
	for want, m := range map[string]layout.Served{"image": ofImage, "data": ofData} {
		r, err := s.Reader(m)
		must(t, err)
		if name, err := r.FS().ReadFile("name"); err != nil || string(name) != want {
			t.Errorf("%q, %v", name, err)
		}
		if err := s.Fill(m, nil); err == nil {
			t.Error("it is written though it is served")
		}
	}
	must(t, s.Err())
}

func TestToMemory(t *testing.T) {
	s := set(t)
	u, told := unpacking(1<<20, "/nowhere")
	inMemory, err := s.Unpack(t.Context(), u)
	must(t, err)
	if !inMemory || !s.Volumes()[0].Unpack || !strings.Contains(*told, "/image, ") || !strings.HasSuffix(*told, "/data ") {
		t.Errorf("in memory: %v; told of %q", inMemory, *told)
	}
	path := t.TempDir()
	dir, err := os.Open(path)
	must(t, err)
	defer dir.Close()
	must(t, s.Fill(ofData, dir))
	wantFiles(t, path, "data")
}

// wantFiles looks at what was unpacked.
func wantFiles(t *testing.T, path, name string) {
	t.Helper()
	if text, err := os.ReadFile(path + "/name"); err != nil || string(text) != name {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Lstat(path + "/gone"); err != nil || info.Mode().Type() != os.ModeDevice|os.ModeCharDevice {
		t.Errorf("a whiteout: %v, %v", info, err)
	}
	if _, err := os.Lstat(path + "/device"); err == nil {
		t.Error("a device is there")
	}
}

func TestToDirectory(t *testing.T) {
	s, parent := set(t), t.TempDir()
	u, told := unpacking(4096, parent)
	inMemory, err := s.Unpack(t.Context(), u)
	must(t, err)
	v := s.Volumes()[0]
	if inMemory || v.Unpack || !strings.HasSuffix(*told, parent) || s.Info.Kind != image.Sandbox || v.Info.Kind != image.Sandbox {
		t.Errorf("in memory: %v; told of %q; %+v", inMemory, *told, s.Info)
	}
	if s.Info.Name != s.Image.Path() {
		t.Errorf("the image is called %s", s.Info.Name)
	}
	wantFiles(t, s.Info.Path, "image")
	wantFiles(t, v.Info.Path, "data")
	if info, err := os.Stat(filepath.Dir(s.Info.Path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	must(t, s.temp.Remove())
	s.temp = nil
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestImageAlone(t *testing.T) {
	s := set(t)
	u, _ := unpacking(1<<20, "")
	u.All = false
	if inMemory, err := s.Unpack(t.Context(), u); err != nil || !inMemory || s.Volumes()[0].Unpack {
		t.Errorf("%v, %v", inMemory, err)
	}
}

func TestNoRoom(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		small := apart.Tmpfs(t, "size=8k")
		u, _ := unpacking(0, small)
		if _, err := set(t).Unpack(t.Context(), u); err == nil || !strings.Contains(err.Error(), "unpacking takes") || !strings.Contains(hint.Of(err), "--tmpdir") {
			t.Errorf("%v", err)
		}
	})
}

func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, parent := set(t), t.TempDir()
	u, _ := unpacking(0, parent)
	if _, err := s.Unpack(ctx, u); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	u.TempDir = parent + "/none"
	if _, err := s.Unpack(t.Context(), u); err == nil {
		t.Error("a directory that is not there")
	}
}

// TestOpaque does not lose what hides others without a word.
func TestOpaque(t *testing.T) {
	root := tree.NewDir(0o755)
	if hasOpaque(root) {
		t.Error("nothing is opaque")
	}
	root.Entries["d"] = tree.NewDir(0o755)
	root.Entries["d"].Xattrs = []tree.Xattr{{Name: "user.overlay.opaque", Value: []byte("y")}}
	if !hasOpaque(root) {
		t.Error("a directory is opaque")
	}
}
