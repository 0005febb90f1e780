package images

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sif"
)

// Documents of an image are printed as they are, but do not drive a terminal.
func TestInspectAttached(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sif")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := sif.CreateEmpty(f, time.Now()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := &ui.Process{Terminal: ui.Terminal{Out: &out}}
	for _, a := range []aspects{{sbom: true}, {provenance: true}} {
		if err := inspect(p, path, a, image.Options{}); err == nil || hint.Of(err) == "" {
			t.Errorf("%+v of an empty image: %v", a, err)
		}
	}
	if err := sif.AddObjects(t.Context(), f, time.Now(), nil,
		sif.NewObject{Type: sif.JSON, Name: "other.json", Data: strings.NewReader("other")},
		sif.NewObject{Type: sif.JSON, Name: provenance.ObjectName, Data: strings.NewReader("made\x1b[2J\n")},
		sif.NewObject{Type: sif.SBOM, SBOM: "syft-json", Data: strings.NewReader("one")},
		sif.NewObject{Type: sif.SBOM, SBOM: "spdx-json", Data: strings.NewReader("two\n")},
	); err != nil {
		t.Fatal(err)
	}
	for want, a := range map[string]aspects{
		"one\ntwo\n": {sbom: true}, "made\uFFFD[2J\n": {provenance: true}, "made\uFFFD[2J\none\ntwo\n": {sbom: true, provenance: true},
	} {
		out.Reset()
		if err := inspect(p, path, a, image.Options{}); err != nil || out.String() != want {
			t.Errorf("%q (%v), want %q", &out, err, want)
		}
	}
	for _, other := range []string{t.TempDir(), path + ".none"} {
		if err := inspect(p, other, aspects{sbom: true}, image.Options{}); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %v", other, err)
		}
	}
}
