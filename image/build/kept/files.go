package kept

import (
	"context"
	"fmt"
	"os"

	"github.com/sealift/sealift/image/cache"
)

// fileKind is the kind of cache entries that are image files of elsewhere, by the
// digest of what they are.
const fileKind = "file"

// NotKeptError is that a cache cannot keep a file, which may be fetched without.
type NotKeptError struct {
	Name  string
	Cause error
}

func (e *NotKeptError) Error() string {
	return fmt.Sprintf("%s is not kept for other builds: %v", e.Name, e.Cause)
}

func (e *NotKeptError) Unwrap() error { return e.Cause }

// FileID names the entry for the image file of a digest.
func FileID(digest string) cache.ID { return ID(fileKind, digest) }

// Made returns the entry id, which m makes if it is missing. An error that is
// neither m.Write's nor ctx's is a *NotKeptError.
func Made(ctx context.Context, c *cache.Cache, id cache.ID, m cache.Content) (*cache.Entry, error) {
	e, _, err := put(ctx, c, id, m)
	return e, err
}

// put does that, and tells whether the entry was made.
func put(ctx context.Context, c *cache.Cache, id cache.ID, m cache.Content) (e *cache.Entry, made bool, err error) {
	var failed error
	write := m.Write
	m.Write = func(f *os.File) error {
		made = true
		failed = write(f)
		return failed
	}
	e, err = c.Make(ctx, id, m)
	switch {
	case err == nil:
		return e, made, nil
	case failed != nil:
		return nil, made, failed
	case ctx.Err() == nil:
		err = &NotKeptError{m.Description, err}
	}
	return nil, made, err
}
