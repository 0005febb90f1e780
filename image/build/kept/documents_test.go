package kept

import (
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
	if got := d.Get(digest); got != nil {
		t.Errorf("%q", got)
	}
	for _, text := range []string{"one", "two"} {
		if d.Put(digest, []byte(text)); string(d.Get(digest)) != text {
			t.Errorf("%q", d.Get(digest))
		}
	}
	if len(told) > 0 {
		t.Errorf("told %q", told)
	}
	// Something that is no entry is in the way, and no reason to give up.
	if err := os.RemoveAll(dir + "/document"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "document"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d.Put(digest, []byte("three")); d.Get(digest) != nil || len(told) != 2 {
		t.Errorf("%q, told %q", d.Get(digest), told)
	}
}
