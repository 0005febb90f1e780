package build

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/oci/registry"
)

// Fetch returns the file of a digest ("sha256:" and hexadecimal), from the cache
// if it is there and still that, or else from what write writes, which must
// verify it. name is for people. The file is open until the build ends; what
// is in it may be followed by something else.
func (b *Build) Fetch(ctx context.Context, digest, name string, write func(io.Writer) error) (*os.File, error) {
	if b.Cache == nil {
		return b.fetchApart(write)
	}
	e, err := kept.Made(ctx, b.Cache, kept.BlobID(digest), cache.Content{
		Description: name, Hashed: true, Write: func(f *os.File) error { return write(f) },
	})
	var unkept *kept.NotKeptError
	if errors.As(err, &unkept) {
		b.Warning("%v", err)
		return b.fetchApart(write)
	}
	if err != nil {
		return nil, err
	}
	b.Defer(e.Close)
	return e.File(), nil
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
func (b *Build) Documents(ctx context.Context) registry.Documents {
	if b.Cache == nil {
		return nil
	}
	return kept.Documents{Cache: b.Cache, Context: ctx, Warn: b.Warning}
}
