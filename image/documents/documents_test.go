package documents

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sif"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.sif")
	f, err := os.Create(path)
	must(t, err)
	must(t, sif.CreateEmpty(f, time.Unix(1, 0)))
	wantFailure(t, path, true, false, "no SBOM")
	wantFailure(t, path, false, true, "does not tell how")
	must(t, sif.AddObjects(t.Context(), f, time.Unix(1, 0), nil,
		sif.NewObject{Type: sif.SBOM, SBOM: "spdx-json", Data: strings.NewReader("{1}")},
		sif.NewObject{Type: sif.JSON, Name: "other.json", Data: strings.NewReader("{2}")},
		sif.NewObject{Type: sif.JSON, Name: provenance.ObjectName, Data: strings.NewReader("{3}\n")},
	))
	must(t, f.Close())
	for want, asked := range map[string][2]bool{"{1}\n": {true, false}, "{3}\n": {false, true}, "{1}\n{3}\n": {true, true}} {
		if got, err := Read(path, asked[0], asked[1]); err != nil || got != want {
			t.Errorf("%v: %q, %v", asked, got, err)
		}
	}
	wantFailure(t, path+"x", true, true, "no such file")
}

func wantFailure(t *testing.T, path string, sbom, provenance bool, want string) {
	t.Helper()
	if _, err := Read(path, sbom, provenance); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
		t.Errorf("%v, want %q", err, want)
	}
}
