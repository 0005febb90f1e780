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

// BlobID names the entry for the file of a digest.
func BlobID(digest string) cache.ID { return ID(blobKind, digest) }

// Made returns the entry id, which write makes in an empty file if it is missing.
// name is for people. An error that is neither write's nor ctx's is a
// *NotKeptError.
func Made(ctx context.Context, c *cache.Cache, id cache.ID, name string, write func(*os.File) error) (*cache.Entry, error) {
	e, _, err := put(ctx, c, id, name, write)
	return e, err
}

// Blob does so for an id of BlobID: an entry that is there has to be what its
// digest says still, and write has to verify what it writes. warn is told why
// what was there is fetched again.
func Blob(
	ctx context.Context, c *cache.Cache, id cache.ID, name string, write func(*os.File) error, warn func(format string, args ...any),
) (*cache.Entry, error) {
	for {
		e, made, err := put(ctx, c, id, name, write)
		if err != nil || made {
			return e, err
		}
		if err = verify(e, id.Key); err == nil {
			return e, nil
		}
		warn("%s is fetched again: %v", name, err)
		if err := errors.Join(e.Close(), c.Remove(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &NotKeptError{name, err}
		}
	}
}

// put is cache.Put, and tells whether the entry was made.
func put(ctx context.Context, c *cache.Cache, id cache.ID, name string, write func(*os.File) error) (e *cache.Entry, made bool, err error) {
	var failed error
	e, err = c.Put(ctx, id, name, func(f *os.File) error {
		made = true
		failed = write(f)
		return failed
	})
	switch {
	case failed != nil:
		return nil, made, failed
	case err != nil && ctx.Err() == nil:
		err = &NotKeptError{name, err}
	}
	return e, made, err
}

// verify tells whether an entry is what its key says.
func verify(e *cache.Entry, digest string) error {
	h := sha256.New()
	if _, err := io.Copy(h, e); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("the cache holds sha256:%s instead of %s", got, digest)
	}
	return nil
}
