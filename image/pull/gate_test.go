package pull

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

var errRefused = errors.New("refused")

// guard refuses sources, and files by what is asked.
type guard struct {
	unsigned, denied, held error
	asked                  []string
}

func (g *guard) note(text string, err error) error {
	g.asked = append(g.asked, text)
	return err
}

func (g *guard) Unsigned(path, name string) error {
	return g.note("unsigned "+path+name, g.unsigned)
}
func (g *guard) Denied(name string) error { return g.note("denied "+name, g.denied) }
func (g *guard) Hold(_ context.Context, name string) image.Hold {
	return func(_ *os.File, img *sif.Image) (*merkle.Reader, error) {
		if img == nil {
			return nil, errors.New("it is not seen as a SIF file")
		}
		return nil, g.note("held "+name, g.held)
	}
}

// place is how the image file is named, and the name in full that it is judged by.
type place struct{ name, full string }

// serve has an image file in the registry, on a web server and in the library in use, and
// returns where, that library, and a function that tells how many requests came.
func (s *site) serve(t *testing.T) (places []place, inUse elsewhere.Libraries, requests func() int) {
	t.Helper()
	s.push(t, "tool:1", "one")
	if _, err := Save(t.Context(), "docker://"+s.host+"/tool:1", s.to("tool.sif"), s.process(t, false)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.dir + "/tool.sif")
	if err != nil {
		t.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.sylabs.sif.config.v1+json")
	if img, err = mutate.AppendLayers(img, static.NewLayer(b, "application/vnd.sylabs.sif.layer.v1.sif")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "sif:1", img)
	web := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		web++
		http.ServeFile(w, q, s.dir+"/tool.sif")
	}))
	t.Cleanup(server.Close)
	l := fixture.NewLibrary()
	t.Cleanup(l.Close)
	digest := strings.Replace(l.Put("ann/tools/tool", "1", "amd64", b), ":", ".", 1)
	at := "library://" + strings.TrimPrefix(l.URL(), "http://") + "/ann/tools/tool:"
	s.requests()
	return []place{
			{"oras://" + s.host + "/sif:1", "oras://" + s.host + "/sif:1"},
			{"oras:" + s.host + "/sif:1", "oras://" + s.host + "/sif:1"},
			{server.URL + "/tool.sif", server.URL + "/tool.sif"},
			{"library://ann/tools/tool:1", at + "1"},
			{"library:ann/tools/tool:" + digest, at + digest},
		}, func(_ context.Context, _ library.Reference, address string) (*library.Client, error) {
			return library.New(cmp.Or(address, l.URL()), "", registry.New(registry.Options{}))
		}, func() int {
			n := web + len(s.requests()) + len(l.Requests())
			web = 0
			return n
		}
}

// left returns the files that a pull has left.
func (s *site) left(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{s.dir, s.opts.TmpDir} {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if n := e.Name(); n != "tmp" && n != "cache" && n != "tool.sif" {
				names = append(names, n)
			}
		}
	}
	return names
}

// A file that is refused does not appear, and one of a denied name is not asked for.
func TestGate(t *testing.T) {
	s := newSite(t)
	places, inUse, requests := s.serve(t)
	for _, at := range places {
		name, full := at.name, at.full
		for _, cached := range []bool{false, true} {
			for _, sandbox := range []bool{false, true} {
				o, e := s.to("out"), s.process(t, cached)
				o.Sandbox, e.Libraries = sandbox, inUse
				denied := &guard{denied: errRefused}
				e.Gate = denied
				_, err := Save(t.Context(), name, o, e)
				if n := requests(); !errors.Is(err, errRefused) || n > 0 || len(s.left(t)) > 0 || strings.Join(denied.asked, " ") != "denied "+full {
					t.Errorf("denied %s: %v, %d requests, left %q, asked %q", name, err, n, s.left(t), denied.asked)
				}
				held := &guard{held: errRefused}
				e.Gate = held
				if _, err := Save(t.Context(), name, o, e); !errors.Is(err, errRefused) || len(s.left(t)) > 0 {
					t.Errorf("refused %s: %v, left %q", name, err, s.left(t))
				}
				if got := strings.Join(held.asked, ", "); got != "denied "+full+", held "+full {
					t.Errorf("%s: asked %q", name, got)
				}
				// What may be used is not asked about by where it lies meanwhile.
				allowed := &guard{unsigned: errRefused}
				e.Gate = allowed
				if _, err := Save(t.Context(), name, o, e); err != nil {
					t.Errorf("allowed %s: %v", name, err)
				}
				if got := strings.Join(allowed.asked, ", "); got != "denied "+full+", held "+full {
					t.Errorf("%s: asked %q", name, got)
				}
				if err := os.RemoveAll(s.dir + "/out"); err != nil {
					t.Fatal(err)
				}
				requests()
			}
		}
	}
}

// Images of layers have no signature; nobody is asked for one that is refused for it.
func TestGateOfLayers(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	s.requests()
	e := s.process(t, true)
	g := &guard{unsigned: errRefused, held: errRefused}
	e.Gate = g
	name := "docker://" + s.host + "/tool:1"
	if _, err := Save(t.Context(), name, s.to("out.sif"), e); !errors.Is(err, errRefused) || len(s.requests()) > 0 || len(s.left(t)) > 0 {
		t.Errorf("%v, left %q", err, s.left(t))
	}
	if got := strings.Join(g.asked, ", "); got != "unsigned docker://"+s.host+"/tool:1" {
		t.Errorf("asked %q", got)
	}
	g.unsigned = nil
	if _, err := Save(t.Context(), name, s.to("out.sif"), e); err != nil {
		t.Error(err)
	}
}

// What is pulled is read whole, with all its partitions, as it is not copied through its trees.
func TestWhole(t *testing.T) {
	data := bytes.Repeat([]byte("file system"), 9000)
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sif"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	defer f.Close()
	must(sif.Create(f, sif.Contents{Arch: "amd64"}, func(w io.Writer) ([]byte, error) {
		_, err := w.Write(data)
		return data[:96], err
	}))
	must(sif.Extend(t.Context(), f, time.Now(), sif.NewObject{
		Type: sif.FileSystem, FileSystem: 1, Part: int32(sif.Overlay), Arch: 2, Group: 1, Data: bytes.NewReader(data),
	}))
	must(merkle.AddAll(t.Context(), f, time.Now(), 0))
	hold := whole(t.Context(), func(_ *os.File, img *sif.Image) (*merkle.Reader, error) { return merkle.Held(img) })
	for _, changed := range []int{-1, 0, 1} {
		img, err := sif.Load(f)
		must(err)
		parts := merkle.Partitions(img)
		if len(parts) != 2 {
			t.Fatalf("partitions %v", parts)
		}
		if changed >= 0 {
			o, _ := img.Object(parts[changed])
			_, err = f.WriteAt([]byte("X"), o.Offset+o.Size/2)
			must(err)
		}
		_, err = hold(f, img)
		if _, bad := errors.AsType[*merkle.Mismatch](err); bad != (changed >= 0) || bad != (err != nil) {
			t.Errorf("changed %d: %v", changed, err)
		}
		if changed >= 0 {
			o, _ := img.Object(parts[changed])
			_, err = f.WriteAt(data[o.Size/2:][:1], o.Offset+o.Size/2)
			must(err)
		}
	}
	none := whole(t.Context(), func(*os.File, *sif.Image) (*merkle.Reader, error) { return nil, nil })
	if r, err := none(nil, nil); r != nil || err != nil {
		t.Errorf("without a rule: %v, %v", r, err)
	}
	if whole(t.Context(), nil) != nil {
		t.Error("an image is held that nobody has rules for")
	}
	g := &guard{held: errRefused}
	if _, err := (origin{g, "oras://h/x"}).Hold(t.Context(), "")(nil, &sif.Image{}); !errors.Is(err, errRefused) || g.asked[0] != "held oras://h/x" {
		t.Errorf("%v, asked %q", err, g.asked)
	}
}
