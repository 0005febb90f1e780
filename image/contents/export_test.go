package contents

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/export"
)

// exported writes a source to a place of OCI images, which it opens.
func exported(t *testing.T, s *Source, to string, o ExportOptions) (*Source, export.Report) {
	t.Helper()
	ref, err := oci.ParseReference(to)
	must(t, err)
	place, err := export.Create(ref, false)
	must(t, err)
	r, err := s.Export(t.Context(), place, t.TempDir(), o)
	must(t, err)
	must(t, place.Commit(t.Context()))
	return open(t, to), r
}

// TestExport makes the same image of every kind of source.
func TestExport(t *testing.T) {
	kinds := everyKind(t)
	want := listing(t, open(t, kinds[7]), true)
	o := ExportOptions{Changes: Changes{Arch: "amd64", Time: time.Unix(500, 0)}, Compression: compression.Choice{Kind: compression.Zstd}}
	var layer string
	for _, name := range kinds[:9] {
		made, r := exported(t, open(t, name), "oci:"+filepath.Join(t.TempDir(), "x")+":t", o)
		if got := listing(t, made, true); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
		if layer != "" && r.DiffID != layer {
			t.Errorf("%s: another layer", name)
		}
		layer = r.DiffID
	}
}

// TestExportChanges: selection, owners and times.
func TestExportChanges(t *testing.T) {
	kinds := everyKind(t)
	for _, name := range []string{kinds[0], kinds[8]} {
		o := ExportOptions{Compression: compression.Choice{Kind: compression.Gzip}}
		o.Arch, o.Selection, o.AllRoot, o.Time, o.Reproducible = "arm64", Selection{Paths: []string{"/etc"}, Exclude: []string{"old"}}, true, time.Unix(500, 0), true
		made, _ := exported(t, open(t, name), "oci-archive:"+filepath.Join(t.TempDir(), "x"), o)
		if got := listing(t, made, true); strings.Contains(got, "old") || !strings.Contains(got, " 0     0          5 1970-01-01T00:08:20Z /etc/passwd") {
			t.Errorf("%s: %s", name, got)
		}
		if made.Arch() != "amd64" { // the source's
			t.Errorf("%s: architecture %s", name, made.Arch())
		}
	}
}
