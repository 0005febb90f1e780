// Package kept keeps what builds and pulls read from elsewhere in the cache.
//
// Input: a cache, and digests. Output: entries that are called by the digest of
// what they are, and documents of registries for package oci.
package kept

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sealift/sealift/image/cache"
)

// documentKind is the kind of cache entries that are documents of images in
// registries, by the digest of what they are.
const documentKind = "document"

// ID names the entry of a kind for a digest, such as "sha256:" and 64
// hexadecimal digits. Digests by other functions have keys of their names.
func ID(kind, digest string) cache.ID {
	const algorithm = "sha256:"
	if len(digest) == len(algorithm)+2*sha256.Size && digest[:len(algorithm)] == algorithm {
		return cache.ID{Kind: kind, Key: digest[len(algorithm):]}
	}
	sum := sha256.Sum256([]byte(digest))
	return cache.ID{Kind: kind, Key: hex.EncodeToString(sum[:])}
}

// Documents is registry.Documents.
type Documents struct {
	Cache *cache.Cache
	// Context ends a wait for another process that fetches the same.
	Context context.Context
	// Warn is told what could not be read or kept; one can do without.
	Warn func(format string, args ...any)
}

// Document is registry.Documents's.
func (d Documents) Document(digest string, valid func([]byte) bool, fetch func() ([]byte, error)) ([]byte, error) {
	id, name := ID(documentKind, digest), "document "+digest
	for {
		var raw []byte
		e, made, err := put(d.Context, d.Cache, id, cache.Content{Description: name, Write: func(f *os.File) (err error) {
			if raw, err = fetch(); err == nil {
				_, err = f.Write(raw)
			}
			return err
		}})
		var unkept *NotKeptError
		if errors.As(err, &unkept) {
			d.Warn("%v", err)
			return fetch()
		}
		if err != nil {
			return nil, err
		}
		if !made {
			raw, err = io.ReadAll(e)
		}
		if err = errors.Join(err, e.Close()); err == nil && (made || valid(raw)) {
			return raw, nil
		}
		d.Warn("%s is fetched again: it is not what it was", name)
		if err := d.Cache.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.Warn("%v", &NotKeptError{name, err})
			return fetch()
		}
	}
}

// Read returns an entry, which must be small, and when it was made;
// fs.ErrNotExist for none.
func Read(c *cache.Cache, id cache.ID) (raw []byte, made time.Time, err error) {
	e, err := c.Get(id)
	if err != nil {
		return nil, made, err
	}
	raw, err = io.ReadAll(e)
	if err = errors.Join(err, e.Close()); err != nil {
		return nil, made, err
	}
	return raw, e.Info().Created, nil
}

// Replace makes an entry, in place of one that is there.
func Replace(ctx context.Context, c *cache.Cache, id cache.ID, description string, raw []byte) error {
	if err := c.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e, err := c.Put(ctx, id, description, func(f *os.File) error {
		_, err := f.Write(raw)
		return err
	})
	if err != nil {
		return err
	}
	return e.Close()
}
