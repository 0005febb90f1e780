package kept

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift/image/build/key"
)

// A digest is that of everything, or none.
func TestDigest(t *testing.T) {
	const chunk = 16 << 20 // which Digest reads at a time
	for _, n := range []int{0, 1, chunk, chunk + 1} {
		b := bytes.Repeat([]byte("x"), n)
		if d, err := Digest(t.Context(), bytes.NewReader(b)); err != nil || d != key.Digest(sha256.Sum256(b)) {
			t.Errorf("%d bytes: %v, %v", n, d, err)
		}
		failed := errors.New("failed")
		r := io.MultiReader(bytes.NewReader(b), iotest.ErrReader(failed))
		if d, err := Digest(t.Context(), r); err != failed || d != (key.Digest{}) {
			t.Errorf("an error after %d bytes: %v, %v", n, d, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Digest(ctx, bytes.NewReader(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("an end: %v", err)
	}
}
