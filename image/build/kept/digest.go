package kept

import (
	"context"
	"crypto/sha256"
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

// FileDigest returns the SHA-256 digest of a regular file. It is kept in c, if
// that is not nil, and not made again as long as the file has the same identity,
// size and times: inode(7) has nobody but root who could set the time of the last
// change. warn is told what could not be kept.
func FileDigest(ctx context.Context, c *cache.Cache, f *os.File, warn func(format string, args ...any)) (key.Digest, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return key.Digest{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	id := cache.ID{Kind: digestKind, Key: key.New("file").String("stat", fmt.Sprint(
		st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano(),
	)).Sum().String()}
	changed := time.Unix(st.Ctim.Unix())
	if d, ok := knownDigest(c, id, changed); ok {
		return d, nil
	}
	d, err := Digest(ctx, io.NewSectionReader(f, 0, st.Size))
	if err == nil && c != nil {
		// In place of one that is too young.
		if err := Replace(ctx, c, id, "digest of "+f.Name(), d[:]); err != nil {
			warn("the digest of %s is not kept for other builds: %v", f.Name(), err)
		}
	}
	return d, err
}

// knownDigest returns a digest that was made when the file had been the same
// for a while. One that cannot be read is made again.
func knownDigest(c *cache.Cache, id cache.ID, changed time.Time) (d key.Digest, ok bool) {
	if c == nil {
		return d, false
	}
	raw, made, err := Read(c, id)
	return d, err == nil && copy(d[:], raw) == len(d) && made.Sub(changed) >= settled
}

// Digest returns the SHA-256 digest of what r has, unless ctx ends before.
func Digest(ctx context.Context, r io.Reader) (key.Digest, error) {
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return key.Digest{}, err
		}
		switch _, err := io.CopyN(h, r, 16<<20); {
		case err == io.EOF:
			return key.Digest(h.Sum(nil)), nil
		case err != nil:
			return key.Digest{}, err
		}
	}
}
