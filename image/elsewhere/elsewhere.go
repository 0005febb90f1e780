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
	"strings"

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
	// Library is the address of a library, empty for the usual one.
	Library string
	// Arch is the Go name of the architecture, for libraries.
	Arch string
}

// File is a file that was found.
type File struct {
	// Name says where it is, Digest what it is: "sha256:" and hexadecimal, empty
	// where nobody tells.
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

// Name returns the name of the file of a transport and what is behind its colon,
// with everything spelled out, and asks nobody. Address, unless empty, is that of
// the library that it is in, if the name of a library's file has no host.
func Name(transport, rest, address string) (string, error) {
	switch transport {
	case "oras":
		ref, err := registry.ParseReference(rest)
		return "oras://" + ref.String(), err
	case "library":
		ref, err := library.ParseReference(rest)
		return inLibrary(ref, address), err
	}
	return web.Name(transport + ":" + rest)
}

// inLibrary names a file of the library at an address.
func inLibrary(ref library.Reference, address string) string {
	if ref.Host == "" && address != "" {
		if _, rest, ok := strings.Cut(address, "://"); ok {
			address = rest
		}
		address, _, _ = strings.Cut(address, "/")
		ref.Host = address[strings.LastIndexByte(address, '@')+1:] // what is before it is a user
	}
	return ref.String()
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
	found, err := oras.Find(ctx, f.Registry, ref, f.Documents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{Name: name, Digest: found.Digest, ID: kept.FileID(found.Digest), Size: found.Size, Copy: found.Copy}, nil
}

// inLibrary asks the library about a tag, and about a digest only if that has to
// be fetched.
func (f Finder) inLibrary(ctx context.Context, rest string) (*File, error) {
	ref, err := library.ParseReference(rest)
	if err != nil {
		return nil, err
	}
	find := func(ctx context.Context) (*library.File, error) {
		if f.Libraries == nil {
			return nil, errors.New("no library can be reached from here")
		}
		c, err := f.Libraries(ctx, ref, f.Library)
		if err != nil {
			return nil, err
		}
		return c.Find(ctx, ref, f.Arch)
	}
	file := &File{Name: inLibrary(ref, f.Library), Digest: ref.Digest()}
	if file.Digest != "" {
		file.ID = kept.FileID(file.Digest)
		file.Copy = func(ctx context.Context, w io.Writer) error {
			found, err := find(ctx)
			if err == nil && found.Digest != file.Digest {
				err = fmt.Errorf("the library offers %s instead of %s", found.Digest, file.Digest)
			}
			if err != nil {
				return err
			}
			return found.Copy(ctx, w)
		}
		return file, nil
	}
	found, err := find(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name, err)
	}
	file.Digest, file.ID, file.Size, file.Copy = found.Digest, kept.FileID(found.Digest), found.Size, found.Copy
	return file, nil
}

func (f Finder) download(ctx context.Context, address string) (*File, error) {
	found, err := web.Find(ctx, f.Registry, address)
	if err != nil {
		return nil, err
	}
	file := &File{
		Name: found.Address, Size: max(0, found.Size),
		Copy: func(ctx context.Context, w io.Writer) error { return found.Copy(ctx, w, maxDownload) },
	}
	if found.Key != "" {
		file.ID = kept.FileID("sha256:" + found.Key) // of what tells one state from another
	}
	return file, nil
}
