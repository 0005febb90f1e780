package trust

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/payload"
)

// FuzzMessage (F13) holds the reader of signature objects to what the rest relies on: of
// what it takes there is one way of writing only, and ids come in order, once.
func FuzzMessage(f *testing.F) {
	images, err := filepath.Glob(filepath.Join(moduleDir(f), "images", "*signed*.sif"))
	must(f, err)
	for _, path := range images {
		b, err := os.Open(path)
		must(f, err)
		st, err := b.Stat()
		must(f, err)
		img, err := sif.Open(b, st.Size())
		must(f, err)
		for _, o := range img.Objects() {
			if o.Type == sif.Signature {
				text, err := img.Read(o, maxSignature)
				must(f, err)
				f.Add(text)
			}
		}
		must(f, b.Close())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded.Do(t, func() {
			m, err := parse(b)
			if err != nil || m.legacy {
				return
			}
			var p payload.Payload
			if err := json.Unmarshal(m.text, &p); err != nil || len(p.Objects) != len(m.ids) || len(m.ids) == 0 {
				t.Fatalf("%q is taken: %v", m.text, err)
			}
			if again, err := json.Marshal(p); err != nil || string(again) != string(m.text) {
				t.Fatalf("%q is taken, which is %q", m.text, again)
			}
			if !slices.IsSorted(m.ids) || len(slices.Compact(slices.Clone(m.ids))) != len(m.ids) {
				t.Fatalf("the ids are %v", m.ids)
			}
		})
	})
}
