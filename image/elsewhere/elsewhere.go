// Package elsewhere finds image files where they lie: in registries (oras://),
// container libraries (library://) and on web servers (http:// and https://).
//
// Input: the name of a file, and clients. Output: what is known of the file, the
// name that a cache has for it, and a way to have it. It keeps nothing.
package elsewhere

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/oras"
	"github.com/sealift/sealift/image/web"
)

// maxDownload is how many bytes are taken from a web server, which nobody
// vouches for.
const maxDownload = 1 << 40

// Transports returns what the names of files begin with, before the colon.
func Transports() []string { return []string{"oras", "library", "http", "https"} }

// Holds tells whether images of a transport are files.
func Holds(transport string) bool { return slices.Contains(Transports(), transport) }

// Libraries returns the client of the library that a reference is in. Address,
// unless empty, is the library's.
type Libraries func(ctx context.Context, ref library.Reference, address string) (*library.Client, error)

// Finder is what files are found with.
type Finder struct {
	Registry *registry.Client
	// Documents, if not nil, keeps manifests.
	Documents registry.Documents
	Libraries Libraries
	// Denied, if not nil, returns an error if the file of a name is not to be used.
	// The registry, library or web server is asked for nothing before.
	Denied func(name string) error
	// Library is the address of a library, empty for the usual one.
	Library string
	// Arch is the Go name of the architecture, for libraries.
	Arch string
}

// File is a file that was found.
type File struct {
	// Name says where it is, TRANSPORT://HOST/... with everything spelled out. That of a
	// library's file lacks a host if its digest is known and no library was asked yet.
	// Digest says what it is: "sha256:" and hexadecimal, empty where nobody tells.
	Name, Digest string
	// ID is the name that a cache has for it. It is zero for a file that has to be
	// fetched each time.
	ID cache.ID
	// Size is in bytes, 0 where nobody tells.
	Size int64
	// Copy writes the file, which has the digest then. On an error, what was written
	// is worth nothing.
	Copy func(ctx context.Context, w io.Writer) error
}

// Find finds the file of a transport and what is behind its colon.
func (f Finder) Find(ctx context.Context, transport, rest string) (*File, error) {
	if f.Registry == nil {
		return nil, fmt.Errorf("%s:%s: no network can be reached from here", transport, rest)
	}
	switch transport {
	case "oras":
		return f.artifact(ctx, rest)
	case "library":
		return f.inLibrary(ctx, rest)
	}
	return f.download(ctx, transport+":"+rest)
}

func (f Finder) artifact(ctx context.Context, rest string) (*File, error) {
	ref, err := registry.ParseReference(rest)
	if err != nil {
		return nil, err
	}
	name := "oras://" + ref.String()
	if err := f.denied(name); err != nil {
		return nil, err
	}
	found, err := oras.Find(ctx, f.Registry, ref, f.Documents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{Name: name, Digest: found.Digest, ID: kept.FileID(found.Digest), Size: found.Size, Copy: found.Copy}, nil
}

// denied returns an error if a file is not to be used.
func (f Finder) denied(name string) error {
	if f.Denied == nil {
		return nil
	}
	if err := f.Denied(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// inLibrary asks the library about a tag, and about a digest only if that has to
// be fetched.
func (f Finder) inLibrary(ctx context.Context, rest string) (*File, error) {
	ref, err := library.ParseReference(rest)
	if err != nil {
		return nil, err
	}
	file := &File{Name: ref.String(), Digest: ref.Digest()}
	find := func(ctx context.Context) (*library.File, error) {
		c, err := f.client(ctx, ref)
		if err != nil {
			return nil, err
		}
		return c.Find(ctx, ref, f.Arch)
	}
	if file.Digest == "" || f.Denied != nil {
		c, err := f.client(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
		file.Name = named(ref, c)
		if err := f.denied(file.Name); err != nil {
			return nil, err
		}
		find = func(ctx context.Context) (*library.File, error) { return c.Find(ctx, ref, f.Arch) }
	}
	if file.Digest != "" {
		file.ID, file.Copy = kept.FileID(file.Digest), pinned(file.Digest, find)
		return file, nil
	}
	found, err := find(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name, err)
	}
	file.Digest, file.ID, file.Size, file.Copy = found.Digest, kept.FileID(found.Digest), found.Size, found.Copy
	return file, nil
}

// client returns the client of the library that a reference is in.
func (f Finder) client(ctx context.Context, ref library.Reference) (*library.Client, error) {
	if f.Libraries == nil {
		return nil, errors.New("no library can be reached from here")
	}
	return f.Libraries(ctx, ref, f.Library)
}

// named returns the name of a file in the library that a client is of.
func named(ref library.Reference, c *library.Client) string {
	ref.Host = c.Host()
	return ref.String()
}

// pinned writes the file of a digest, which the library is asked for only then.
func pinned(digest string, find func(context.Context) (*library.File, error)) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		found, err := find(ctx)
		if err == nil && found.Digest != digest {
			err = fmt.Errorf("the library offers %s instead of %s", found.Digest, digest)
		}
		if err != nil {
			return err
		}
		return found.Copy(ctx, w)
	}
}

func (f Finder) download(ctx context.Context, address string) (*File, error) {
	name, err := web.Name(address)
	if err != nil {
		return nil, err
	}
	if err := f.denied(name); err != nil {
		return nil, err
	}
	found, err := web.Find(ctx, f.Registry, address)
	if err != nil {
		return nil, err
	}
	file := &File{
		Name: name, Size: max(0, found.Size),
		Copy: func(ctx context.Context, w io.Writer) error { return found.Copy(ctx, w, maxDownload) },
	}
	if found.Key != "" {
		file.ID = kept.FileID("sha256:" + found.Key) // of what tells one state from another
	}
	return file, nil
}
