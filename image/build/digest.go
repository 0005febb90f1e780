package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/cache"
)

// digestKind is the kind of cache entries that are digests of large files, by
// what says that a file is still the same.
const digestKind = "digest"

// settled is how long a file has to have been the same for its times to tell
// of the next change. File systems keep them to a second, or two (vfat).
const settled = 3 * time.Second

// FileDigest returns the SHA-256 digest of a regular file. It is kept in the
// cache, and not made again as long as the file has the same identity, size and
// times: inode(7) has nobody but root who could set the time of the last
// change.
func (b *Build) FileDigest(ctx context.Context, f *os.File) (key.Digest, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return key.Digest{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	id := cache.ID{Kind: digestKind, Key: key.New("file").String("stat", fmt.Sprint(
		st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano(),
	)).Sum().String()}
	changed := time.Unix(st.Ctim.Unix())
	if d, ok := b.knownDigest(id, changed); ok {
		return d, nil
	}
	d, err := digestFile(ctx, f, st.Size)
	if err == nil && b.Cache != nil {
		b.keepDigest(ctx, id, f.Name(), d)
	}
	return d, err
}

// knownDigest returns a digest that was made when the file had been the same
// for a while.
func (b *Build) knownDigest(id cache.ID, changed time.Time) (d key.Digest, ok bool) {
	if b.Cache == nil {
		return d, false
	}
	e, err := b.Cache.Get(id)
	if err != nil {
		return d, false // it is made again
	}
	n, err := e.ReadAt(d[:], 0)
	ok = n == len(d) && (err == nil || err == io.EOF) && e.Info().Created.Sub(changed) >= settled
	if err := e.Close(); err != nil {
		b.Warning("%v", err)
	}
	return d, ok
}

// keepDigest replaces the entry, which may be too young.
func (b *Build) keepDigest(ctx context.Context, id cache.ID, name string, d key.Digest) {
	err := b.Cache.Remove(id)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		var e *cache.Entry
		if e, err = b.Cache.Put(ctx, id, "digest of "+name, func(f *os.File) error {
			_, err := f.Write(d[:])
			return err
		}); err == nil {
			err = e.Close()
		}
	}
	if err != nil {
		b.Warning("the digest of %s is not kept for other builds: %v", name, err)
	}
}

func digestFile(ctx context.Context, f *os.File, size int64) (key.Digest, error) {
	h := sha256.New()
	r := io.NewSectionReader(f, 0, size)
	for {
		if err := ctx.Err(); err != nil {
			return key.Digest{}, err
		}
		n, err := io.CopyN(h, r, 16<<20)
		if errors.Is(err, io.EOF) || n == 0 {
			return key.Digest(h.Sum(nil)), nil
		}
		if err != nil {
			return key.Digest{}, err
		}
	}
}
