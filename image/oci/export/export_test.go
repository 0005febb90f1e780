package export

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/tree"
)

// TestRoundTrip writes trees with every oddity, and reads what was written.
func TestRoundTrip(t *testing.T) {
	places := []string{"oci:%:v1", "oci-archive:%", "docker-archive:%:app:1"}
	kinds := []compression.Kind{compression.Gzip, compression.Zstd, compression.None}
	all := append(trees.Features(), trees.Random(), trees.Random())
	for n, f := range all {
		if f.Large || f.BigValues { // the reader takes no more attributes than Linux does
			continue
		}
		i := image(f.Tree(uint64(n), 4096))
		i.Compression.Kind = kinds[n%len(kinds)]
		name := strings.ReplaceAll(places[n/len(kinds)%len(places)], "%", t.TempDir()+"/x")
		r, err := write(t, i, name, false)
		must(t, err)
		img, root := read(t, name)
		trees.Same(t, f.Name, describe(t, root), describe(t, i.Root))
		if d := img.Digest(); d != r.Manifest.Digest && d != r.Config.Digest {
			t.Errorf("%s: digest %s", f.Name, d)
		}
	}
}

// TestOthersRead has another library verify every digest, size and diff ID.
func TestOthersRead(t *testing.T) {
	dir := t.TempDir()
	i := image(files(map[string]string{"a/b": strings.Repeat("text\n", 1<<20), "c": ""}))
	_, err := write(t, i, "oci:"+dir+"/layout:v1", false)
	must(t, err)
	index, err := ggcr.ImageIndexFromPath(dir + "/layout")
	must(t, err)
	must(t, validate.Index(index))
	_, err = write(t, i, "docker-archive:"+dir+"/docker.tar:app", false)
	must(t, err)
	img, err := tarball.ImageFromPath(dir+"/docker.tar", nil)
	must(t, err)
	must(t, validate.Image(img))
	m, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(dir + "/docker.tar") })
	must(t, err)
	if len(m) != 1 || m[0].RepoTags[0] != "app:latest" {
		t.Errorf("manifest %+v", m)
	}
}

// memory is a sink that keeps everything.
type memory struct{ layer, config, manifest bytes.Buffer }

func (m *memory) Layer(_ context.Context, write func(io.Writer) (Descriptor, error)) error {
	_, err := write(&m.layer)
	return err
}

func (m *memory) Config(_ context.Context, _ Descriptor, data []byte) error {
	m.config.Write(data)
	return nil
}

func (m *memory) Manifest(_ context.Context, _ Descriptor, data []byte) error {
	m.manifest.Write(data)
	return nil
}

// TestLayerForm: what is in a layer, in order.
func TestLayerForm(t *testing.T) {
	root := files(map[string]string{"b": "text", "a/z": "1", "a.x": ""})
	root.Entries["hard"] = root.Entries["b"]
	root.Entries["s"] = &tree.Node{Mode: tree.TypeSocket | 0o600}
	root.Entries["t"] = &tree.Node{Mode: tree.TypeSocket | 0o600}
	root.Entries["u"] = &tree.Node{Mode: tree.TypeRegular | 0o4644, UID: 4294967294, GID: 1 << 21, ModTime: 1 << 33,
		Xattrs: []tree.Xattr{{Name: "user.x", Value: []byte("\x00\n=")}}}
	i := image(root)
	i.Compression.Kind = compression.None
	var to memory
	r, err := i.Write(t.Context(), &to)
	must(t, err)
	if w := r.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "2 sockets") || r.DiffID != r.Layer.Digest {
		t.Errorf("report %+v, %q", r, w)
	}
	archive := tar.NewReader(&to.layer)
	var got []string
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		got = append(got, string(h.Typeflag)+h.Name+">"+h.Linkname)
		if h.Name == "u" && (h.Uid != 4294967294 || h.Gid != 1<<21 || h.ModTime.Unix() != 1<<33 || h.Mode != 0o4644 || h.PAXRecords["SCHILY.xattr.user.x"] != "\x00\n=") {
			t.Errorf("header %+v", h)
		}
	}
	if want := "5./> 5a/> 0a/z> 0a.x> 0b> 1hard>b 0u>"; strings.Join(got, " ") != want {
		t.Errorf("members %s", got)
	}
}

// TestDeterministic: equal images have equal bytes.
func TestDeterministic(t *testing.T) {
	var want string
	for range 3 {
		r, err := image(trees.Random().Tree(7, 4096)).Write(t.Context(), &memory{})
		must(t, err)
		if got := r.Manifest.Digest; want != "" && got != want {
			t.Errorf("manifest %s, then %s", want, got)
		}
		want = r.Manifest.Digest
	}
}

// TestFailures: what cannot be a layer is an error that names it, and nothing
// is left of the output.
func TestFailures(t *testing.T) {
	file := func(c tree.Content) *tree.Node { return &tree.Node{Mode: tree.TypeRegular | 0o644, Content: c} }
	for _, c := range []struct {
		name         string
		n            *tree.Node
		text, remedy string
	}{
		{".wh.x", file(nil), `"/d/.wh.x": a name that begins`, "--exclude '.wh.*'"},
		{"short", file(failing{5, strings.NewReader("1234")}), `"/d/short": it changed`, ""},
		{"long", file(failing{5, strings.NewReader("123456")}), `"/d/long": it changed`, ""},
		{"bad", file(failing{5, iotest.ErrReader(errors.New("broken"))}), `"/d/bad": broken`, ""},
		{"unreadable", file(trees.Digest{Bytes: 1}), `"/d/unreadable": a content of type`, ""},
		{"odd", &tree.Node{}, `"/d/odd": type 0`, ""},
		{"attribute", &tree.Node{Mode: tree.TypeFIFO, Xattrs: []tree.Xattr{{Name: "user.a=b"}}}, `"/d/attribute": archive/tar`, ""},
	} {
		dir := t.TempDir()
		_, err := write(t, image(files(map[string]string{"a": "1"})), "oci:"+dir+"/old", false)
		must(t, err)
		before := names(t, dir+"/old/"+blobsDir)
		root := files(map[string]string{"d/a": strings.Repeat("x", 1<<20)})
		root.Entries["d"].Entries[c.name] = c.n
		for _, to := range []string{"oci:" + dir + "/new", "oci:" + dir + "/old:more", "oci-archive:" + dir + "/a", "docker-archive:" + dir + "/d"} {
			_, err := write(t, image(root), to, true)
			wantError(t, err, c.text, c.remedy)
		}
		if got := names(t, dir); got != "old" {
			t.Errorf("%s: left %s", c.name, got)
		}
		if got := names(t, dir+"/old/"+blobsDir); got != before {
			t.Errorf("%s: the layout has blobs %s", c.name, got)
		}
	}
	for _, bad := range []string{"[", `{"Labels":1}`} {
		i := image(tree.NewDir(0o755))
		i.Base = []byte(bad)
		_, err := i.Write(t.Context(), &memory{})
		wantError(t, err, "configuration of the OCI image", "")
	}
}

// TestCancelled ends in the middle of a file.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := files(nil)
	root.Entries["x"] = &tree.Node{Mode: tree.TypeRegular, Content: failing{1 << 40, endless(cancel)}}
	if _, err := image(root).Write(ctx, &memory{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// endless is a reader of zeros that calls a function.
type endless func()

func (e endless) Read(p []byte) (int, error) {
	e()
	clear(p)
	return len(p), nil
}

// TestBounded: memory does not grow with what is written.
func TestBounded(t *testing.T) {
	const size = 1 << 30
	root := files(nil)
	root.Entries["x"] = &tree.Node{Mode: tree.TypeRegular, Content: failing{size, io.LimitReader(endless(func() {}), size)}}
	i := image(root)
	i.Compression.Level = 1
	to := &peak{}
	r, err := i.Write(t.Context(), to)
	must(t, err)
	if to.bytes > 128<<20 {
		t.Errorf("%d MiB of heap", to.bytes>>20)
	}
	if r.Layer.Size > size/100 {
		t.Errorf("%d bytes of zeros compressed", r.Layer.Size)
	}
}

// peak is a sink that keeps nothing of a layer and notes how large the heap is.
type peak struct {
	memory
	bytes uint64
}

func (p *peak) Layer(_ context.Context, write func(io.Writer) (Descriptor, error)) error {
	_, err := write(p)
	return err
}

func (p *peak) Write(b []byte) (int, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.bytes = max(p.bytes, m.HeapInuse)
	return len(b), nil
}
