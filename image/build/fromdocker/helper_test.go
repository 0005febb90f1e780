package fromdocker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/dockerfile"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/tree"
)

// site is a directory to build in, which is the context too.
type site struct {
	dir   string
	env   build.Environment
	input Input
	args  map[string]string
	// log is what Progress, Note and Warn were told, runs is what ran.
	log  []string
	runs []build.Exec
	// script is what a program does to the upper directory.
	script func(x build.Exec) error
}

func newSite(t *testing.T) *site {
	s := &site{dir: t.TempDir()}
	s.input.Context.Dir = s.dir
	note := func(line string) { s.log = append(s.log, line) }
	s.env = build.Environment{
		Host: build.Host{Arch: "amd64", Dir: s.dir, Version: "1.2"}, Now: time.Unix(1700000000, 0), Fixed: true,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Stdout: io.Discard, Stderr: io.Discard, Note: note, Warn: note,
		Progress: func(e build.Event) {
			if e.State == build.Cached {
				note("cached " + e.Step.Name())
			}
		},
		Run: func(_ context.Context, x build.Exec) error {
			s.runs = append(s.runs, x)
			if s.script == nil {
				return nil
			}
			return s.script(x)
		},
	}
	return s
}

// keep gives the site a cache.
func (s *site) keep(t *testing.T) {
	t.Helper()
	c, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s.env.Cache = c
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) steps(t *testing.T, text string, o build.Options) ([]build.Step, error) {
	t.Helper()
	linux := v1.Platform{OS: "linux", Architecture: "amd64"}
	r, err := dockerfile.Parse("Dockerfile", []byte(text), dockerfile.Options{Args: s.args, Platform: linux, Build: linux})
	if err != nil {
		t.Fatal(err)
	}
	s.input.Text = text
	return Compute(r, s.input, s.env.Host, o)
}

// build builds text to out.sif, in place of an older one.
func (s *site) build(t *testing.T, text string) error {
	t.Helper()
	o := build.Options{Output: "out.sif", Force: true}
	steps, err := s.steps(t, text, o)
	if err != nil {
		return err
	}
	s.log, s.runs = nil, nil
	return build.Run(t.Context(), steps, o, s.env)
}

// root builds text and returns the image's files.
func (s *site) root(t *testing.T, text string) *tree.Node {
	t.Helper()
	if err := s.build(t, text); err != nil {
		t.Fatal(err)
	}
	root, err := s.open(t).Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func (s *site) open(t *testing.T) *image.File {
	t.Helper()
	f, err := image.Open(s.path("out.sif"), image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// list describes what is below a directory of a tree, a line each.
func list(t *testing.T, root *tree.Node, dir string) string {
	t.Helper()
	top, err := root.Follow(dir)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for name, n := range top.Walk() {
		line := fmt.Sprintf("%s %o %d:%d", name, n.Mode&0o7777, n.UID, n.GID)
		switch n.Type() {
		case tree.TypeRegular:
			line += " " + textOf(t, n)
		case tree.TypeSymlink:
			line = name + " -> " + n.Target
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func textOf(t *testing.T, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		return ""
	}
	r, err := n.Content.(tree.Opener).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// archived returns a tar archive of files by name; one that ends with a slash
// is a directory. All belong to 5:6.
func archived(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		name, text := files[i], files[i+1]
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o640, Uid: 5, Gid: 6, Size: int64(len(text))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o750
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// base writes base.tar, an image of one layer, as docker save does.
func (s *site) base(t *testing.T, config map[string]any, files ...string) {
	t.Helper()
	l := archived(t, files...)
	c, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(l))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "base.tar", string(archived(t, "layer.tar", string(l), "config.json", string(c),
		"manifest.json", `[{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar"]}]`)))
}

func stepOf(source string) steps.Step { return steps.Step{Line: 1, Source: source} }
