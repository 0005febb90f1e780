package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/registry"
)

// Transports returns what the names of images begin with that are got, before
// the colon.
func Transports() []string { return slices.Concat(oci.Transports(), elsewhere.Transports()) }

// IsRemote tells the name of an image that has to be got from the path of one
// that is here.
func IsRemote(name string) bool {
	scheme, rest, ok := strings.Cut(name, ":")
	if !ok || strings.Contains(scheme, "/") {
		return false
	}
	return known(scheme) || strings.HasPrefix(rest, "//")
}

// found is an image at its place.
type found struct {
	// name and digest are Image's.
	name, digest string
	// id is the cache's name for the file that write makes.
	id cache.ID
	// size is how many bytes will come, which isFile says are that file.
	size   int64
	isFile bool
	// write makes the image in an empty file.
	write func(ctx context.Context, to *os.File) error
	close func() error
}

// find finds what source names, and fetches none of it yet.
func find(ctx context.Context, source string, o Options, e Environment) (*found, error) {
	scheme, rest, _ := strings.Cut(source, ":")
	switch {
	case elsewhere.Holds(scheme):
		return findFile(ctx, scheme, rest, e)
	case !IsRemote(source) || strings.HasPrefix(rest, "//") && !known(scheme):
		return nil, hint.New(fmt.Sprintf("the transport %q is not known", scheme), "use one of %s", strings.Join(Transports(), ", "))
	}
	return findImage(ctx, source, o, e)
}

func known(scheme string) bool { return slices.Contains(Transports(), scheme) }

// shown is how messages name a source: without what may be a password.
func shown(source string) string { return metadata.WithoutUser(source) }

// findFile finds an image file.
func findFile(ctx context.Context, scheme, rest string, e Environment) (*found, error) {
	f, err := elsewhere.Finder{
		Registry: e.Registry, Documents: e.documents(ctx), Libraries: e.Libraries, Arch: e.Host.Arch,
	}.Find(ctx, scheme, rest)
	if err != nil {
		return nil, err
	}
	return &found{
		name: f.Name, digest: f.Digest, id: f.ID, size: f.Size, isFile: true,
		write: func(ctx context.Context, to *os.File) error { return f.Copy(ctx, e.count(to)) },
		close: func() error { return nil },
	}, nil
}

// documents keeps manifests and configurations in the cache, if there is one.
func (e *Environment) documents(ctx context.Context) registry.Documents {
	if e.Cache == nil {
		return nil
	}
	return kept.Documents{Cache: e.Cache, Context: ctx, Warn: e.warn}
}

// count tells Received of what is written to w.
func (e *Environment) count(w io.Writer) io.Writer {
	if e.Received == nil {
		return w
	}
	return counter{w, e.Received}
}

func (e *Environment) warn(format string, args ...any) {
	if e.Warn != nil {
		e.Warn(fmt.Sprintf(format, args...))
	}
}

type counter struct {
	io.Writer
	told func(n int64)
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.told(int64(n))
	return n, err
}

// open returns the image from the cache, or has it made there or in a temporary
// file.
func (f *found) open(ctx context.Context, o Options, e Environment) (*Image, error) {
	i := &Image{Name: f.name, Digest: f.digest, Cached: true}
	fetch := func(to *os.File) error {
		i.Cached = false
		if e.Expect != nil {
			e.Expect(f.size)
		}
		return f.write(ctx, to)
	}
	if e.Cache != nil && f.id != (cache.ID{}) {
		err := f.fromCache(ctx, e, i, fetch)
		var unkept *kept.NotKeptError
		if !errors.As(err, &unkept) {
			return i, err
		}
		e.warn("%v", err)
	}
	to, err := o.temporary(e)
	if err != nil {
		return nil, err
	}
	if i.File, err = to, fetch(to); err != nil && to != o.into {
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

func (f *found) fromCache(ctx context.Context, e Environment, i *Image, fetch func(*os.File) error) (err error) {
	m := cache.Content{Description: f.name, Hashed: true, Write: fetch}
	if f.isFile {
		m.Size = f.size
	}
	i.entry, err = kept.Made(ctx, e.Cache, f.id, m)
	if err != nil {
		return err
	}
	i.File = i.entry.File()
	return nil
}
