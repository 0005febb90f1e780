package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/oci"
)

// blobKind is the kind of cache entries that are files of elsewhere, by the
// digest of what they are.
const blobKind = "blob"

// Fetch returns the file of a digest ("sha256:" and hexadecimal), from the cache
// if it is there and still that, or else from what write writes, which must
// verify it. name is for people. The file is open until the build ends; what
// is in it may be followed by something else.
func (b *Build) Fetch(ctx context.Context, digest, name string, write func(io.Writer) error) (*os.File, error) {
	if b.Cache == nil {
		return b.fetchApart(write)
	}
	id := kept.ID(blobKind, digest)
	for {
		fetched := false
		var failed error
		e, err := b.Cache.Put(ctx, id, name, func(f *os.File) error {
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
			b.Warning("%s is not kept for other builds: %v", name, err)
			return b.fetchApart(write)
		}
		b.Defer(e.Close)
		if fetched {
			return e.File(), nil
		}
		if err = verify(e, digest); err == nil {
			return e.File(), nil
		}
		b.Warning("%s is fetched again: %v", name, err)
		if err := b.Cache.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

func (b *Build) fetchApart(write func(io.Writer) error) (*os.File, error) {
	f, err := b.NewFile("fetched")
	if err == nil {
		err = write(f)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return f, nil
}

// Documents returns what keeps documents of registries in the cache, nil
// without one.
func (b *Build) Documents(ctx context.Context) oci.Documents {
	if b.Cache == nil {
		return nil
	}
	return kept.Documents{Cache: b.Cache, Context: ctx, Warn: b.Warning}
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
