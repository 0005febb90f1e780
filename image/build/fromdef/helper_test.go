package fromdef

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
)

// file is an entry of a layer; a name that ends with a slash is a directory.
type file struct {
	name, text string
	mode       int64
	uid        int
}

func layer(t *testing.T, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: f.mode, Uid: f.uid, Gid: f.uid, Size: int64(len(f.text)), ModTime: time.Unix(1000, 0)}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if target, ok := strings.CutPrefix(f.text, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, f.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dockerArchive writes an image as docker save does.
func dockerArchive(t *testing.T, name, arch string, config map[string]any, layers ...[]file) {
	t.Helper()
	var members []file
	var ids, names []string
	for i, files := range layers {
		b := layer(t, files)
		ids = append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(b)))
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		members = append(members, file{name: names[i], text: string(b), mode: 0o644})
	}
	c := marshal(t, map[string]any{
		"architecture": arch, "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	members = append(members, file{name: "config.json", text: c, mode: 0o644})
	members = append(members, file{name: "manifest.json", mode: 0o644, text: marshal(t, []any{
		map[string]any{"Config": "config.json", "RepoTags": []string{"app:1"}, "Layers": names},
	})})
	write(t, name, string(layer(t, members)))
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// site is a directory to build in, with base.tar in it.
type site struct {
	dir string
	env build.Environment
	// log is what Progress and Warn were told.
	log []string
}

func newSite(t *testing.T) *site {
	s := &site{dir: t.TempDir()}
	s.env = build.Environment{
		Host: build.Host{Arch: "amd64", Dir: s.dir, Version: "1.2"}, Now: time.Unix(1700000000, 0), Fixed: true,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Stdout: io.Discard, Stderr: io.Discard,
		Progress: func(e build.Event) {
			if e.State == build.Begun {
				s.log = append(s.log, e.Step.String())
			}
		},
		Warn: func(line string) { s.log = append(s.log, "warning: "+line) },
	}
	dockerArchive(t, s.path("base.tar"), "amd64", map[string]any{
		"Env": []string{"PATH=/app/bin:/bin", "A=it's $HOME", "B.C=no"}, "Entrypoint": []string{"/app/run", "a b"}, "Cmd": []string{"$x"},
		"Labels": map[string]string{"from": "oci"},
	}, []file{
		{"etc/", "", 0o755, 0}, {"etc/passwd", "root", 0o640, 7}, {"bin/", "", 0o755, 0}, {"bin/sh", "binary", 0o4755, 0},
		{"link", "-> etc", 0o777, 0}, {"lost", "-> nowhere", 0o777, 0}, {"out", "-> ../../../../tmp", 0o777, 0},
	}, []file{{"app/", "", 0o700, 5}, {"app/data", strings.Repeat("data", 100000), 0o600, 5}})
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// build builds text to out.sif, or to what o names.
func (s *site) build(t *testing.T, text string, o build.Options) error {
	t.Helper()
	if o.Output == "" {
		o.Output = "out.sif"
	}
	steps, err := Compute(parse(t, "x.def", text), s.env.Host, o)
	if err != nil {
		t.Fatal(err)
	}
	return build.Run(t.Context(), steps, o, s.env)
}

// open opens a built image.
func (s *site) open(t *testing.T, name string) *image.File {
	t.Helper()
	f, err := image.Open(s.path(name), image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, f *image.File, name string) string {
	t.Helper()
	b, err := image.ReadFile(f.FS(), name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names lists the site's directory.
func (s *site) names(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// inUpper is a build.Runner that calls f with the upper directory, once the base
// proves to be an image, or the layers one together.
func inUpper(t *testing.T, f func(x build.Exec, upper string)) build.Runner {
	return func(_ context.Context, x build.Exec) error {
		if x.Base != "" {
			base, err := image.Open(x.Base, image.Options{})
			if err != nil {
				return err
			}
			defer base.Close()
			x.View = base.FS()
		}
		if info, err := x.View.Stat(".singularity.d"); err != nil || !info.IsDir() || (len(x.Layers) == 0) != (x.Base != "") {
			t.Errorf("%d layers of base %q: %v", len(x.Layers), x.Base, err)
		}
		if (x.Upper == "") != x.Test {
			t.Errorf("test %v with upper %q", x.Test, x.Upper)
		}
		f(x, x.Upper)
		return nil
	}
}
