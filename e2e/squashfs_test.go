package e2e

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// TestDebianImageIsItsLayers writes the Debian image from its layers. What our
// reader, unsquashfs and the kernel find in it must be what the layers hold,
// to the last attribute.
func TestDebianImageIsItsLayers(t *testing.T) {
	trees.NeedRoot(t)
	cache, err := filepath.Abs(".fixtures")
	if err != nil {
		t.Fatal(err)
	}
	layout, err := fixture.Debian(context.Background(), cache)
	if err != nil {
		missingTool(t, err)
	}
	ref, err := oci.ParseReference("oci:" + layout)
	if err != nil {
		t.Fatal(err)
	}
	img, err := oci.Open(context.Background(), ref, oci.Platform{OS: "linux", Arch: runtime.GOARCH}, oci.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	root := merged(t, img, trees.ReadDigest)
	want := trees.Describe(t, root, trees.Count(root))
	file := filepath.Join(t.TempDir(), "debian.sqfs")
	r := writeMerged(t, img, file)
	got, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	trees.Same(t, "reader", trees.Describe(t, got, trees.Count(got)), want)
	for name, dir := range map[string]string{"unsquashfs": trees.Extract(t, file), "kernel": trees.Mount(t, file, 0)} {
		found, links := trees.Host(t, dir)
		trees.Same(t, name, trees.Describe(t, found, links), want)
	}
}

func merged(t *testing.T, img *oci.Image, store tree.Store) *tree.Node {
	t.Helper()
	root, _, err := tree.Merge(context.Background(), img.Layers(), store)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// writeMerged writes an image of the layers to a new file and opens it.
func writeMerged(t *testing.T, img *oci.Image, file string) *squashfs.Reader {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w, err := writer.New(f, writer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	super, err := w.Finish(merged(t, img, w.Store))
	if err == nil {
		_, err = f.WriteAt(super.Bytes(), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := squashfs.Open(f, int64(super.BytesUsed), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
