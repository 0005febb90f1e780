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
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/oci"
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
func find(ctx context.Context, source string, o build.Options, e Environment) (*found, error) {
	scheme, rest, _ := strings.Cut(source, ":")
	switch {
	case elsewhere.Holds(scheme):
		return findFile(ctx, scheme, rest, e)
	case !known(scheme):
		return nil, hint.New(fmt.Sprintf("the transport %q is not known", scheme), "use one of %s", strings.Join(Transports(), ", "))
	}
	return findImage(ctx, source, o, e)
}

func known(scheme string) bool { return slices.Contains(Transports(), scheme) }

// findFile finds an image file.
func findFile(ctx context.Context, scheme, rest string, e Environment) (*found, error) {
	f, err := e.Find(ctx, scheme, rest, "", e.Host.Arch)
	if err != nil {
		return nil, err
	}
	return &found{
		name: f.Name, digest: f.Digest, id: f.ID, size: f.Size, isFile: true,
		write: func(ctx context.Context, to *os.File) error { return f.Copy(ctx, e.count(to)) },
		close: func() error { return nil },
	}, nil
}

// count tells Received of what is written to w.
func (e *Environment) count(w io.Writer) io.Writer {
	if e.Received == nil {
		return w
	}
	return counter{w, e.Received}
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

// open returns the image from the cache, or has it made there or, if that does not
// keep it, in the file that apart returns.
func (f *found) open(ctx context.Context, e Environment, apart func() (*os.File, error)) (*Image, error) {
	i := &Image{isFile: f.isFile, Origin: Origin{Name: f.name, Digest: f.digest, Cached: true}}
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
		e.Warning("%v", err)
	}
	var err error
	if i.File, err = apart(); err != nil {
		return nil, err
	}
	return i, fetch(i.File)
}

func (f *found) fromCache(ctx context.Context, e Environment, i *Image, fetch func(*os.File) error) (err error) {
	m := cache.Content{Description: f.name, Hashed: true, Write: fetch}
	if f.isFile {
		m.Size, m.Digest = f.size, f.digest
	}
	i.entry, err = kept.Made(ctx, e.Cache, f.id, m)
	if err != nil {
		return err
	}
	i.File = i.entry.File()
	return nil
}
