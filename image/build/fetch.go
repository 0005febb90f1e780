package build

import (
	"context"
	"errors"
	"os"

	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/elsewhere"
)

// Fetch returns a file of elsewhere, from the cache if it is there. It is open
// until the build ends; what is in it may be followed by something else.
func (b *Build) Fetch(ctx context.Context, from *elsewhere.File) (*os.File, error) {
	write := func(f *os.File) error { return from.Copy(ctx, f) }
	if b.Cache == nil || from.ID == (cache.ID{}) {
		return b.fetchApart(write)
	}
	e, err := kept.Made(ctx, b.Cache, from.ID, cache.Content{Description: from.Name, Size: from.Size, Hashed: true, Digest: from.Digest, Write: write})
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

func (b *Build) fetchApart(write func(*os.File) error) (*os.File, error) {
	f, err := b.NewFile("fetched")
	if err == nil {
		err = write(f)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return f, nil
}
