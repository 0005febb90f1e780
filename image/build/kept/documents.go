// Package kept keeps what builds read from elsewhere in the cache.
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

// Documents is oci.Documents.
type Documents struct {
	Cache *cache.Cache
	// Context ends a wait for another process that keeps the same.
	Context context.Context
	// Warn is told what could not be read or kept; the build can do without.
	Warn func(format string, args ...any)
}

// Get is oci.Documents's. What cannot be read is fetched.
func (d Documents) Get(digest string) []byte {
	raw, _, err := Read(d.Cache, ID(documentKind, digest))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.Warn("%s: %v", digest, err)
	}
	return raw
}

// Put is oci.Documents's. What is there was found to be no good.
func (d Documents) Put(digest string, raw []byte) {
	if err := Replace(d.Context, d.Cache, ID(documentKind, digest), "document "+digest, raw); err != nil {
		d.Warn("document %s is not kept for other builds: %v", digest, err)
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
