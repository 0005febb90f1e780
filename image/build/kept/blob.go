package kept

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift/image/cache"
)

// blobKind is the kind of cache entries that are files of elsewhere, by the
// digest of what they are.
const blobKind = "blob"

// NotKeptError is that a cache cannot keep a file, which may be fetched without.
type NotKeptError struct {
	Name  string
	Cause error
}

func (e *NotKeptError) Error() string {
	return fmt.Sprintf("%s is not kept for other builds: %v", e.Name, e.Cause)
}

func (e *NotKeptError) Unwrap() error { return e.Cause }

// Blob returns the entry for the file of a digest ("sha256:" and hexadecimal),
// which is there and still that, or else is what write writes, which must verify
// it. name is for people. warn is told why what was there is fetched again. An
// error that is neither write's nor ctx's is a *NotKeptError.
func Blob(
	ctx context.Context, c *cache.Cache, digest, name string, write func(io.Writer) error, warn func(format string, args ...any),
) (*cache.Entry, error) {
	id := ID(blobKind, digest)
	for {
		fetched := false
		var failed error
		e, err := c.Put(ctx, id, name, func(f *os.File) error {
			fetched = true
			failed = write(f)
			return failed
		})
		switch {
		case failed != nil:
			return nil, failed
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			return nil, &NotKeptError{name, err}
		case fetched:
			return e, nil
		}
		if err = verify(e, digest); err == nil {
			return e, nil
		}
		warn("%s is fetched again: %v", name, err)
		if err := errors.Join(e.Close(), c.Remove(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &NotKeptError{name, err}
		}
	}
}

// verify tells whether an entry is what its digest says.
func verify(e *cache.Entry, digest string) error {
	h := sha256.New()
	if _, err := io.Copy(h, e); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("the cache holds %s instead of %s", got, digest)
	}
	return nil
}
