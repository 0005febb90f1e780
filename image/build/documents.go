package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/oci"
)

// documentKind is the kind of cache entries that are documents of images in
// registries, by the digest of what they are.
const documentKind = "document"

// Documents returns what keeps documents of registries in the cache, nil
// without one.
func (b *Build) Documents(ctx context.Context) oci.Documents {
	if b.Cache == nil {
		return nil
	}
	return documents{b, ctx}
}

type documents struct {
	b   *Build
	ctx context.Context
}

// documentID names an entry. Documents of other digests than SHA-256 have keys
// of their names.
func documentID(digest string) cache.ID {
	const algorithm = "sha256:"
	if len(digest) == len(algorithm)+2*sha256.Size && digest[:len(algorithm)] == algorithm {
		return cache.ID{Kind: documentKind, Key: digest[len(algorithm):]}
	}
	sum := sha256.Sum256([]byte(digest))
	return cache.ID{Kind: documentKind, Key: hex.EncodeToString(sum[:])}
}

// Get is oci.Documents's. What cannot be read is fetched.
func (d documents) Get(digest string) []byte {
	e, err := d.b.Cache.Get(documentID(digest))
	if err == nil {
		var raw []byte
		raw, err = io.ReadAll(e)
		if err = errors.Join(err, e.Close()); err == nil {
			return raw
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		d.b.Warning("%s: %v", digest, err)
	}
	return nil
}

// Put is oci.Documents's. What is there was found to be no good.
func (d documents) Put(digest string, raw []byte) {
	id := documentID(digest)
	if err := d.b.Cache.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.b.Warning("document %s: %v", digest, err)
	}
	e, err := d.b.Cache.Put(d.ctx, id, "document "+digest, func(f *os.File) error {
		_, err := f.Write(raw)
		return err
	})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		d.b.Warning("document %s is not kept for other builds: %v", digest, err)
	}
}
