package bootstrap

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

var errRefused = errors.New("refused")

// guard refuses everything, and notes what it is asked.
type guard struct{ asked []string }

func (g *guard) note(text string) error {
	g.asked = append(g.asked, text)
	return errRefused
}

func (g *guard) Unsigned(path, name string) error { return g.note("unsigned " + path + name) }
func (g *guard) Denied(name string) error         { return g.note("denied " + name) }
func (g *guard) Hold(_ context.Context, name string) image.Hold {
	return func(f *os.File, _ *sif.Image) (*merkle.Reader, error) {
		return nil, g.note("held " + name + f.Name())
	}
}

// What is refused is not built from, and nothing of it is left.
func TestGate(t *testing.T) {
	p := newPlace(t)
	dir := p.directory(t, "one")
	if err := p.convert(t, "one.sif", Source{Agent: "localimage", From: dir}); err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(p.dir, "one.sif")
	if err := os.Symlink(dir, filepath.Join(p.dir, "link")); err != nil {
		t.Fatal(err)
	}
	p.env.Libraries = p.libraries
	up := "../" + filepath.Base(p.dir)
	for _, c := range []struct{ agent, from, asked string }{
		{"localimage", one, "held " + one},
		{"localimage", dir, "held " + dir},
		{"oras", "h.invalid/x:1", "denied oras://h.invalid/x:1"},
		{"oras", "//h.invalid/x:1", "denied oras://h.invalid/x:1"},
		{"library", "ann/tools/x:1", "denied library://in.use.invalid/ann/tools/x:1"},
		{"library", "//h.invalid/ann/tools/x:1", "denied library://h.invalid/ann/tools/x:1"},
		{"https", "//H.invalid/x.sif", "denied https://H.invalid/x.sif"},
		{"docker", "h.invalid/x:1", "unsigned docker://h.invalid/x:1"},
		{"oci", "dir", "unsigned " + p.dir + "/dir"},
		{"oci", up + "/./none/../dir", "unsigned " + p.dir + "/dir"},
		{"oci", p.dir + "/" + up + "/dir", "unsigned " + p.dir + "/dir"},
		{"oci", "link:1", "unsigned " + dir},
		{"oci-archive", "link/../one.sif", "unsigned " + one},
		{"docker-archive", "link/../one.sif:x:1", "unsigned " + one},
	} {
		g := &guard{}
		p.env.Gate = g
		err := p.convert(t, "out.sif", Source{Agent: c.agent, From: c.from})
		if got := strings.Join(g.asked, ", "); !errors.Is(err, errRefused) || got != c.asked {
			t.Errorf("%s %s: %v, asked %q, want %q", c.agent, c.from, err, got, c.asked)
		}
		if list, err := os.ReadDir(p.dir); err != nil || len(list) != 3 {
			t.Errorf("left %v, %v", list, err)
		}
	}
}

// libraries is where libraries are: the one that is asked for, or in use.
func (p *place) libraries(_ context.Context, ref library.Reference, address string) (*library.Client, error) {
	switch {
	case address != "":
	case ref.Host != "":
		address = "https://" + ref.Host
	default:
		address = "https://in.use.invalid"
	}
	return library.New(address, "", p.env.Registry)
}

// A file of the library that a definition names is denied by that library's host.
func TestGateOfLibrary(t *testing.T) {
	p, g := newPlace(t), &guard{}
	p.env.Gate, p.env.Libraries = g, p.libraries
	headers := map[string]string{"library": "https://lib.invalid:443/"}
	err := p.convert(t, "out.sif", Source{Agent: "library", From: "ann/tools/x:1", Headers: headers})
	if got := strings.Join(g.asked, ", "); !errors.Is(err, errRefused) || got != "denied library://lib.invalid/ann/tools/x:1" {
		t.Errorf("%v, asked %q", err, got)
	}
}

// What was judged is what is opened.
func TestAllowed(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.MkdirAll(dir+"/a/b", 0o755), os.Symlink("a/b", dir+"/link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e := &build.Environment{Host: build.Host{Dir: dir}, Gate: &allowing{}}
	for from, want := range map[string]string{"link": dir + "/a/b", dir + "/link/..": dir + "/a", "none/../x": dir + "/x"} {
		ref, err := Allowed(e, oci.Reference{Transport: oci.Layout, Path: from})
		if err != nil || ref.Path != want {
			t.Errorf("%s: %v, %v; want %s", from, ref, err, want)
		}
	}
	daemon := oci.Reference{Transport: oci.DockerDaemon, Path: "debian:12"}
	if ref, err := Allowed(e, daemon); err != nil || ref != daemon {
		t.Errorf("%v, %v", ref, err)
	}
}

// allowing allows everything.
type allowing struct{ guard }

func (*allowing) Unsigned(path, name string) error { return nil }
