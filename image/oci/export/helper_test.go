package export

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/tree"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err error, text, remedy string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), remedy) {
		t.Errorf("error %v, hint %q; want %q and %q", err, hint.Of(err), text, remedy)
	}
}

// files returns a tree of regular files of mode 0755 by their paths.
func files(texts map[string]string) *tree.Node {
	root := tree.NewDir(0o755)
	for name, text := range texts {
		dir := root
		parts := strings.Split(name, "/")
		for _, p := range parts[:len(parts)-1] {
			if dir.Entries[p] == nil {
				dir.Entries[p] = tree.NewDir(0o755)
			}
			dir = dir.Entries[p]
		}
		dir.Entries[parts[len(parts)-1]] = &tree.Node{Mode: tree.TypeRegular | 0o755, Content: tree.Bytes(text)}
	}
	return root
}

// image is one of the tree, for this test.
func image(root *tree.Node) Image {
	return Image{
		Root: root, Arch: "amd64", Created: time.Unix(1000, 0), CreatedBy: "test",
		Compression: compression.Choice{Kind: compression.Gzip},
	}
}

// write writes an image to the place that a name says.
func write(t testing.TB, i Image, to string, force bool) (Report, error) {
	t.Helper()
	ref, err := oci.ParseReference(to)
	must(t, err)
	if Plain(ref) {
		i.Compression = compression.Choice{Kind: compression.None}
	}
	place, err := Create(ref, force)
	if err != nil {
		return Report{}, err
	}
	r, err := i.Write(t.Context(), place)
	if err != nil {
		must(t, place.Abort())
		return r, err
	}
	return r, place.Commit(t.Context())
}

// read opens the image that a name says and merges its layers.
func read(t testing.TB, name string) (*oci.Image, *tree.Node) {
	t.Helper()
	ref, err := oci.ParseReference(name)
	must(t, err)
	img, err := oci.Open(context.Background(), ref, oci.Platform{OS: "linux", Arch: "amd64"}, oci.Options{TempDir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, img.Close()) })
	root, _, err := tree.Merge(t.Context(), img.Layers(), trees.ReadDigest)
	must(t, err)
	return img, root
}

// describe returns a line for each name, without what a layer, or a reader of
// one, does not keep.
func describe(t testing.TB, root *tree.Node) []string {
	t.Helper()
	for _, n := range root.Walk() {
		n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x tree.Xattr) bool {
			kept := strings.HasPrefix(x.Name, "user.") || strings.HasPrefix(x.Name, "security.")
			return !kept || strings.HasPrefix(x.Name, "user.overlay.") || x.Name == "security.selinux"
		})
		slices.SortFunc(n.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
		for name, child := range n.Entries {
			if child.Type() == tree.TypeSocket {
				delete(n.Entries, name)
			}
		}
	}
	return trees.Describe(t, root, trees.Count(root))
}

// names are those in a directory.
func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// blob returns a file of a layout.
func blob(t testing.TB, dir string, d Descriptor) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, blobsDir, encoded(d)))
	must(t, err)
	return b
}

// failing is content that ends in an error, or at another place than it says.
type failing struct {
	size int64
	r    io.Reader
}

func (f failing) Size() int64                  { return f.size }
func (f failing) Open() (io.ReadCloser, error) { return io.NopCloser(f.r), nil }
