package oci

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/sealift/sealift/e2e/bounded"
)

var threeParts = []part{plainPart("one"), gzPart("two"), zstPart("three")}

func checkThree(t *testing.T, img *Image) {
	t.Helper()
	for range 2 { // layers can be read again
		got, err := read(img)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"one", "two", "three"}; !slices.Equal(got, want) {
			t.Errorf("layers %q, want %q", got, want)
		}
	}
	if env := img.Config().Config.Env; !slices.Equal(env, []string{"A=amd64"}) {
		t.Errorf("environment %q", env)
	}
}

func TestLayoutTransports(t *testing.T) {
	p := place{}
	d := p.addImage("amd64", threeParts...)
	p.layout(withTag(d, "v1"))
	dotted := place{}
	for name, raw := range p {
		dotted["./"+name] = raw
	}
	for name, ref := range map[string]string{
		"directory":              "oci:" + p.directory(t),
		"directory with slashes": "oci://" + p.directory(t) + ":v1",
		"archive":                "oci-archive:" + writeFile(t, p.tar()) + ":v1",
		"archive with dots":      "oci-archive:" + writeFile(t, dotted.tar()),
		"gzip archive":           "oci-archive:" + writeFile(t, gz(p.tar())),
		"zstd archive":           "oci-archive:" + writeFile(t, zst(p.tar())),
	} {
		t.Run(name, func(t *testing.T) {
			img, err := openAs(t, ref)
			if err != nil {
				t.Fatal(err)
			}
			checkThree(t, img)
			if img.Digest() != d["digest"] {
				t.Errorf("digest %s, want %s", img.Digest(), d["digest"])
			}
			if !bytes.Equal(img.RawConfig(), toJSON(configFor("amd64", threeParts))) {
				t.Errorf("configuration %s", img.RawConfig())
			}
			if got, want := img.Layers()[1].String(), digestOf(threeParts[1].blob).String(); got != want {
				t.Errorf("layer is named %s, want %s", got, want)
			}
		})
	}
}

func TestSpoolLeavesNothing(t *testing.T) {
	p := place{}
	p.layout(p.addImage("amd64", threeParts...))
	dir := t.TempDir()
	ref := Reference{Transport: LayoutArchive, Path: writeFile(t, gz(p.tar()))}
	img, err := Open(context.Background(), ref, amd64, Options{TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v left in the temporary directory, %v", left, err)
	}
	if _, err := Open(context.Background(), ref, amd64, Options{TempDir: filepath.Join(dir, "none")}); err == nil {
		t.Error("opened without a place to spool")
	}
	if _, err := Open(context.Background(), ref, amd64, Options{TempDir: ""}); err == nil {
		t.Error("opened with no temporary directory named")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Open(ctx, ref, amd64, Options{TempDir: dir})
	wantError(t, err, "context canceled", "")
}

// TestEveryByteCounts flips each byte of each file of a small layout: the
// image must then be refused or be the same.
func TestEveryByteCounts(t *testing.T) {
	p := place{}
	p.layout(withTag(p.addImage("amd64", threeParts...), "v1"))
	for name, raw := range p {
		silent := 0
		for i := range raw {
			q := maps.Clone(p)
			q[name] = bytes.Clone(raw)
			q[name][i] ^= 0x20
			got, err := readMemory(q)
			if err != nil {
				continue
			}
			if silent++; !slices.Equal(got, []string{"one", "two", "three"}) {
				t.Errorf("%s byte %d: layers %q", name, i, got)
			}
		}
		if silent > 0 && name != "index.json" && name != "oci-layout" {
			t.Errorf("%s: %d changed bytes were accepted", name, silent)
		}
	}
}

// memory is a source in memory.
type memory place

func (m memory) Close() error { return nil }
func (m memory) open(_ context.Context, name string, _ int64) (*blob, error) {
	raw, ok := m[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	r := bytes.NewReader(raw)
	return &blob{r, noClose{}, r.Size()}, nil
}

type noClose struct{}

func (noClose) Close() error { return nil }

func readMemory(p place) ([]string, error) {
	img := &Image{source: memory(p)}
	if err := img.find(context.Background(), "", amd64); err != nil {
		return nil, err
	}
	return read(img)
}

func TestNoGoroutineStays(t *testing.T) {
	bad := zstPart("three")
	bad.blob = bad.blob[:len(bad.blob)-1]
	p := place{}
	p.layout(p.addImage("amd64", gzPart("two"), bad))
	before := runtime.NumGoroutine()
	for range 50 {
		if _, err := readMemory(p); err == nil {
			t.Fatal("truncated layer accepted")
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// FuzzDocuments (F8) feeds any documents. Of those that are taken, each blob has a
// digest that can stand in a path, and there is one for each layer.
func FuzzDocuments(f *testing.F) {
	p := place{}
	manifest := p.addImage("amd64", threeParts...)
	p.layout(withTag(withPlatform(manifest, "linux", "amd64", ""), "v1"))
	f.Add(p["index.json"], p[parsed(manifest).path()], toJSON(configFor("amd64", threeParts)))
	f.Fuzz(func(t *testing.T, index, manifest, config []byte) {
		bounded.Do(t, func() {
			if doc, err := parseDocument(index, ""); err == nil && doc.Manifests != nil {
				if list, err := tagged(*doc.Manifests, ""); err == nil {
					choose(list, amd64)
				}
			}
			for _, raw := range [][]byte{index, manifest} {
				if doc, err := parseDocument(raw, ""); err == nil {
					wantDigests(t, doc)
				}
			}
			img := &Image{source: memory(p)}
			if doc, err := parseDocument(manifest, ""); err == nil && doc.Manifests == nil {
				if img.setManifest(context.Background(), doc, amd64) == nil && len(img.layers) != len(*doc.Layers) {
					t.Errorf("%d layers of %d", len(img.layers), len(*doc.Layers))
				}
			}
			if ids, err := img.setConfig(config, 3, amd64); err == nil && len(ids) != 3 {
				t.Errorf("%d diff IDs", len(ids))
			}
		})
	})
}

// wantDigests wants digests that are whole, or none, which reading refuses.
func wantDigests(t *testing.T, doc *document) {
	t.Helper()
	var all []descriptor
	for _, list := range []*[]descriptor{doc.Manifests, doc.Layers} {
		if list != nil {
			all = append(all, *list...)
		}
	}
	if doc.Config != nil {
		all = append(all, *doc.Config)
	}
	for _, d := range all {
		if d.Digest != (digest{}) && !regexp.MustCompile(`^blobs/sha(256/[0-9a-f]{64}|512/[0-9a-f]{128})$`).MatchString(d.Digest.path()) {
			t.Errorf("the digest %q is taken", d.Digest)
		}
	}
}

func parsed(descriptor object) digest {
	var d digest
	if err := d.UnmarshalText([]byte(descriptor["digest"].(string))); err != nil {
		panic(err)
	}
	return d
}
