package builds

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// A document is read before anything is built; a directory cannot hold one.
func TestAttached(t *testing.T) {
	dir := t.TempDir()
	bom, fifo, big := filepath.Join(dir, "bom"), filepath.Join(dir, "fifo"), filepath.Join(dir, "big")
	if err := os.WriteFile(bom, []byte(`{"bomFormat": "CycloneDX", "specVersion": "1.5"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		fifo: "no regular file", big: "the limit is", dir: "no regular file", dir + "/none": "no such file", bom + ":spdx-json": "it is cyclonedx-json",
	} {
		a := attachedFlags{sbom: name}
		if err := a.settle(false); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	a := attachedFlags{sbom: bom}
	a.what.Provenance = true
	if err := a.settle(false); err != nil || a.what.Format != "cyclonedx-json" || !a.what.Provenance {
		t.Errorf("%+v %v", a.what, err)
	}
	if err := a.settle(true); err == nil || hint.Of(err) == "" {
		t.Errorf("a directory: %v", err)
	}
	a = attachedFlags{}
	a.what.Provenance = true
	if err := a.settle(true); err != nil || !a.what.Nothing() {
		t.Errorf("a directory: %+v %v", a.what, err)
	}
}
