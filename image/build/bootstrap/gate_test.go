package bootstrap

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/image"
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

func (g *guard) Unsigned(path, source string) error { return g.note("unsigned " + path + source) }
func (g *guard) Denied(source string) error         { return g.note("denied " + source) }
func (g *guard) Hold(_ context.Context, source string) image.Hold {
	return func(f *os.File, _ *sif.Image) (*merkle.Reader, error) {
		return nil, g.note("held " + source + f.Name())
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
	for _, c := range []struct{ agent, from, asked string }{
		{"localimage", one, "held " + one},
		{"localimage", dir, "held " + dir},
		{"oras", "h.invalid/x:1", "denied oras://h.invalid/x"},
		{"oras", "//h.invalid/x:1", "denied oras://h.invalid/x"},
		{"library", "ann/tools/x:1", "denied library://ann/tools/x"},
		{"https", "//H.invalid/x.sif", "denied https://h.invalid/x.sif"},
		{"docker", "h.invalid/x:1", "unsigned docker://h.invalid/x"},
		{"oci", "dir", "unsigned " + p.dir + "/dir"},
	} {
		g := &guard{}
		p.env.Gate = g
		err := p.convert(t, "out.sif", Source{Agent: c.agent, From: c.from})
		if got := strings.Join(g.asked, ", "); !errors.Is(err, errRefused) || got != c.asked {
			t.Errorf("%s %s: %v, asked %q, want %q", c.agent, c.from, err, got, c.asked)
		}
		if list, err := os.ReadDir(p.dir); err != nil || len(list) != 2 {
			t.Errorf("left %v, %v", list, err)
		}
	}
}
