package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/buildcfg/hint"
)

var amd64 = Platform{OS: "linux", Arch: "amd64"}

// object is JSON being put together.
type object = map[string]any

// place is an image place in memory: files by name.
type place map[string][]byte

// add adds a blob and returns its descriptor.
func (p place) add(mediaType string, raw []byte) object {
	d := digestOf(raw)
	p[d.path()] = raw
	return object{"mediaType": mediaType, "digest": d.String(), "size": len(raw)}
}

func (p place) addJSON(mediaType string, v any) object { return p.add(mediaType, toJSON(v)) }

func toJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// part is a layer of a test image.
type part struct {
	plain     []byte
	blob      []byte
	mediaType string
}

func configFor(arch string, parts []part) object {
	diffIDs := []string{}
	for _, l := range parts {
		diffIDs = append(diffIDs, digestOf(l.plain).String())
	}
	return object{"os": "linux", "architecture": arch, "config": object{"Env": []string{"A=" + arch}},
		"rootfs": object{"type": "layers", "diff_ids": diffIDs}}
}

// addImage adds an image and returns its descriptor.
func (p place) addImage(arch string, parts ...part) object {
	layers := []object{}
	for _, l := range parts {
		layers = append(layers, p.add(l.mediaType, l.blob))
	}
	return p.addManifest(configFor(arch, parts), layers)
}

func (p place) addManifest(config any, layers []object) object {
	return p.addJSON(manifestType, object{"schemaVersion": 2, "mediaType": manifestType,
		"config": p.addJSON(configType, config), "layers": layers})
}

// layout completes a layout whose index names the manifests.
func (p place) layout(manifests ...object) place {
	p["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	p["index.json"] = toJSON(object{"schemaVersion": 2, "manifests": manifests})
	return p
}

func with(o object, key string, value any) object {
	o = maps.Clone(o)
	o[key] = value
	return o
}

func withTag(o object, tag string) object {
	return with(o, "annotations", object{"org.opencontainers.image.ref.name": tag})
}

func withPlatform(o object, os, arch, variant string) object {
	return with(o, "platform", object{"os": os, "architecture": arch, "variant": variant})
}

func (p place) directory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, raw := range p {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (p place) tar() []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(p)) {
		h := &tar.Header{Name: name, Size: int64(len(p[name])), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		w.Write(p[name])
	}
	w.Close()
	return buf.Bytes()
}

func writeFile(t testing.TB, raw []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func gz(raw []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(raw)
	w.Close()
	return buf.Bytes()
}

func zst(raw []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(raw, nil)
}

func plainPart(s string) part { return part{[]byte(s), []byte(s), layerType} }
func gzPart(s string) part    { return part{[]byte(s), gz([]byte(s)), layerType + "+gzip"} }
func zstPart(s string) part   { return part{[]byte(s), zst([]byte(s)), layerType + "+zstd"} }

// openAs parses transport:path and opens it for linux/amd64.
func openAs(t testing.TB, reference string) (*Image, error) {
	t.Helper()
	ref, err := ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := Open(context.Background(), ref, amd64, Options{TempDir: t.TempDir()})
	if err == nil {
		t.Cleanup(func() { img.Close() })
	}
	return img, err
}

// read reads all layers of an image to their ends.
func read(img *Image) ([]string, error) {
	var layers []string
	for _, l := range img.Layers() {
		r, err := l.Open(context.Background())
		if err != nil {
			return layers, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			r.Close()
			return layers, err
		}
		if err := r.Close(); err != nil {
			return layers, err
		}
		layers = append(layers, string(b))
	}
	return layers, nil
}

// wantError checks the text of an error and that it has a hint if hinted is
// not empty.
func wantError(t *testing.T, err error, text, hinted string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v, want %q", err, text)
	}
	if !strings.Contains(hint.Of(err), hinted) {
		t.Errorf("hint %q of %v, want %q", hint.Of(err), err, hinted)
	}
}
