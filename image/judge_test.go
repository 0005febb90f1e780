package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

func TestJudge(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	must(t, os.WriteFile(text, []byte("text"), 0o600))
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	no := errors.New("no")
	for path, isSIF := range map[string]bool{
		sifFile(t): true, plantedFile(t): true, squashFile(t): false, sandboxDir(t): false, text: false, empty: false,
	} {
		must(t, Judge(path, nil))
		for _, verdict := range []error{nil, no} {
			asked := false
			err := Judge(path, func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
				if asked = true; f.Name() != path || (img != nil) != isSIF {
					t.Errorf("%s: it is asked about %s, a SIF file: %v", path, f.Name(), img != nil)
				}
				return nil, verdict
			})
			if !asked || !errors.Is(err, verdict) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	yes := func(*os.File, *sif.Image) (*merkle.Reader, error) { return nil, nil }
	if err := Judge(text+".none", yes); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	b, err := os.ReadFile(sifFile(t))
	must(t, err)
	must(t, os.WriteFile(text, b[:100], 0o600))
	if err := Judge(text, yes); err == nil {
		t.Error("half a SIF file is none that anybody objects to")
	}
}
