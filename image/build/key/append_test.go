package key

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

func TestAppend(t *testing.T) {
	for text, want := range map[string]Digest{"": {}, "a layer": sha256.Sum256([]byte("a layer"))} {
		f, err := os.Create(filepath.Join(t.TempDir(), "layer"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := Append(f); err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Appended(f, st.Size()); err != nil || got != want {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}
