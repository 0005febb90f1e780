package image

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// plantedFile is an image with a tree.
func plantedFile(t testing.TB) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "planted.sif"))
	must(t, err)
	c := sif.Contents{Arch: "amd64", Time: time.Unix(1, 0)}
	must(t, merkle.Create(context.Background(), f, c, func(w io.Writer) ([]byte, error) { return pack(t, w), nil }))
	must(t, f.Close())
	return f.Name()
}

// everything is all that can be read of an image's file system.
func everything(fsys FS) (all string, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all += name + " " + info.Mode().String() + "\n"
		switch info.Mode().Type() {
		case 0:
			b, err := fs.ReadFile(fsys, name)
			all += string(b)
			return err
		case fs.ModeSymlink:
			target, err := fsys.ReadLink(name)
			all += target
			return err
		}
		return nil
	})
	return all, err
}

func TestVerified(t *testing.T) {
	f, err := Open(plantedFile(t), Options{Hold: byTree})
	must(t, err)
	defer f.Close()
	all, err := everything(f.FS())
	must(t, err)
	if !strings.Contains(all, "image's own") {
		t.Errorf("read: %s", all)
	}
	must(t, f.Prefetch())
}

func TestNoTree(t *testing.T) {
	for _, path := range []string{sifFile(t), squashFile(t), sandboxDir(t)} {
		_, err := Open(path, Options{Hold: byTree})
		if !errors.Is(err, merkle.ErrNoTree) || !strings.HasPrefix(err.Error(), "open image "+path) || hint.Of(err) == "" {
			t.Errorf("%s: %v (hint %q)", path, err, hint.Of(err))
		}
		f, err := Open(path, Options{Hold: func(*os.File, *sif.Image) (*merkle.Reader, error) { return nil, nil }})
		must(t, err)
		must(t, f.Close())
	}
}

// Whatever bit of the partition, the tree or the Root is changed, the image is not
// opened, or what is read of it is what it was until a read fails.
func TestFlips(t *testing.T) {
	path := plantedFile(t)
	f, err := Open(path, Options{Hold: byTree})
	must(t, err)
	want, err := everything(f.FS())
	must(t, err)
	tree, err := merkle.FromImage(f.SIF())
	must(t, err)
	used := int64(f.Squash().Super().BytesUsed)
	must(t, f.Close())
	original, err := os.ReadFile(path)
	must(t, err)

	var at []int64
	for i := range used {
		at = append(at, tree.Partition.Offset+i)
	}
	for i := range tree.TreeObject.Size + merkle.RootSize {
		at = append(at, tree.RootObject.Offset+i)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	missed := 0
	for _, i := range at {
		bit := byte(1) << rng.IntN(8)
		b := append([]byte(nil), original...)
		b[i] ^= bit
		must(t, os.WriteFile(path, b, 0o600))
		got, err := readVerified(t, path)
		if err == nil {
			missed++
			t.Errorf("a flip at %d shows nowhere", i)
		}
		if !strings.HasPrefix(want, got) {
			t.Errorf("a flip at %d changes what is read", i)
		}
	}
	t.Logf("%d flips, %d missed", len(at), missed)
}

func readVerified(t *testing.T, path string) (string, error) {
	f, err := Open(path, Options{Hold: byTree})
	if err != nil {
		return "", err
	}
	defer f.Close()
	got, err := everything(f.FS())
	if (err == nil) != (f.Err() == nil) {
		t.Errorf("reading says %v, Err says %v", err, f.Err())
	}
	return got, err
}

// byTree holds an image against its own tree.
func byTree(_ *os.File, img *sif.Image) (*merkle.Reader, error) { return merkle.Held(img) }
