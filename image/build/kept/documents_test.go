package kept

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/cache"
)

func TestID(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	if id := ID("document", "sha256:"+sum); id.Key != sum || id.Kind != "document" {
		t.Errorf("%v", id)
	}
	long := ID("document", "sha512:"+sum+sum)
	if other := ID("document", "sha512:"+sum+sum+"0"); len(long.Key) != 64 || long == other || long.Key == sum {
		t.Errorf("%v, %v", long, other)
	}
}

func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	c, err := cache.Open(dir, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var told []string
	d := Documents{c, t.Context(), func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }}
	digest := "sha256:" + strings.Repeat("0", 64)
	get := func(text string, fetched bool) {
		t.Helper()
		asked := false
		raw, err := d.Document(digest, func(b []byte) bool { return string(b) == text }, func() ([]byte, error) {
			asked = true
			return []byte(text), nil
		})
		if err != nil || string(raw) != text || asked != fetched {
			t.Errorf("%q, %v; asked is %t", raw, err, asked)
		}
	}
	get("one", true)
	get("one", false)
	if len(told) > 0 {
		t.Errorf("told %q", told)
	}
	get("two", true) // one is not valid any more
	get("two", false)
	failed := errors.New("failed")
	if _, err := d.Document("sha512:x", nil, func() ([]byte, error) { return nil, failed }); err != failed || len(told) != 1 {
		t.Errorf("%v, told %q", err, told)
	}
	// Something that is no entry is in the way, and no reason to give up.
	if err := os.RemoveAll(dir + "/document"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "document"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if get("three", true); len(told) != 2 {
		t.Errorf("told %q", told)
	}
}
