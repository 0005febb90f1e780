// Package cache keeps results between runs: files by the digest of what they
// are or come from, made once for all processes, the least recently used out
// first.
//
// Input: a directory of the caller's own, and for each entry a function that
// fills a file. Output: entries, open for reading. It knows nothing of what
// entries mean. It verifies those that were made with a digest (Content.Hashed);
// who names entries by the digest of their content checks it when reading. It
// follows no symbolic link inside its directory.
//
// The directory holds, with no index that could be wrong:
//
//	KIND/KEY               an entry: content, then a footer (footer.go);
//	                       its modification time is that of its last use
//	KIND/KEY.seen          of an entry with a digest: where and when it was
//	                       verified (seen.go); has the time of its last use
//	KIND/KEY.lock          held by the process that makes KEY (package claim)
//	KIND/KEY.lease*        the same where flock(2) does not work
//	KIND/.KEY.sealift-*    an entry being written, where there is no O_TMPFILE
//
// All of it is mode 0700 or 0600. Entries appear whole or not at all, and are
// only ever removed, never changed, so one that is open stays what it is.
// Should two processes make the same entry after all, the first to finish is
// kept.
//
// Other caches may lie below, such as one for all users of a site: entries that
// the cache lacks are taken from there, and nothing there is ever written.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/cache/claim"
	"github.com/sealift/sealift/image/output"
)

// ErrUnavailable is the error of a cache that cannot be used or written to:
// its directory cannot be made or opened, or is read-only. Whoever can do
// without a cache goes on. A directory that is there and not safe to use is
// another error, which the user has to see.
var ErrUnavailable = errors.New("the cache is not available")

const (
	moveHint = "set SEALIFT_CACHEDIR to a directory of your own"
	fullHint = "make room with 'sealift cache clean', or set SEALIFT_CACHEDIR to a directory on another file system"
)

// Options say how a cache behaves.
type Options struct {
	// MaxBytes is how many bytes the entries may have together once a Put has
	// ended, and at any time if Content.Size is told; 0 is no limit. An entry
	// that is larger stays, alone.
	MaxBytes int64
	// Below are the directories of caches that are only read, such as one of
	// the site's: what the cache itself lacks is taken from the first that has
	// it. One that is missing, or that somebody else than root and the caller
	// may change, is not used, and Warn is told.
	Below []string
	// Waiting, if not nil, is called by a Put that begins to wait for another
	// process to make the entry, and again every half a minute.
	Waiting func(ID)
	// Warn, if not nil, is told of what went wrong without harm: a damaged
	// entry was removed, or an old one could not be.
	Warn func(error)
}

// ID names an entry. Kind is 1 to 32 lower-case letters, the name of those who
// understand the entry, such as "build"; Key is a SHA-256 digest as 64
// lower-case hexadecimal digits.
type ID struct{ Kind, Key string }

// String returns the kind, a slash and the key.
func (id ID) String() string { return id.Kind + "/" + id.Key }

// check fails unless id is a name, and nothing but one.
func (id ID) check() error {
	if !isKind(id.Kind) || !isKey(id.Key) {
		return fmt.Errorf("%q is not the name of a cache entry", id.String())
	}
	return nil
}

func isKind(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

func isKey(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// Cache is an open cache. It is safe for concurrent use.
type Cache struct {
	store
	opts   Options
	below  []store
	claims *claim.Claims
	// hidden are entries below that are no good or were removed, and bad the
	// directories of kinds there that were warned of.
	mu     sync.Mutex
	hidden map[ID]bool
	bad    map[string]bool
}

// Open opens the cache in dir, which it makes with mode 0700 if it is missing,
// with the directories above it. One that belongs to someone else, that others
// may write to, or that someone else's symbolic link leads to is refused; all
// else that keeps it from being opened is ErrUnavailable.
func Open(dir string, o Options) (*Cache, error) {
	d, err := openTop(dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{store: store{dir: d}, opts: o, claims: claim.New(claim.Usual()), hidden: map[ID]bool{}, bad: map[string]bool{}}
	for _, dir := range o.Below {
		if s, err := openBelow(dir); err == nil {
			c.below = append(c.below, s)
		} else {
			c.warn(fmt.Errorf("the cache %s is not used: %w", dir, err))
		}
	}
	return c, nil
}

// Close closes the cache. Entries that are open stay so.
func (c *Cache) Close() error {
	err := c.dir.Close()
	for _, s := range c.below {
		err = errors.Join(err, s.dir.Close())
	}
	return err
}

// Remove removes an entry. One that is missing is fs.ErrNotExist. An entry of
// a cache below stays there, and is not used by this Cache any more.
func (c *Cache) Remove(id ID) error {
	if err := id.check(); err != nil {
		return err
	}
	c.hide(id)
	dir, err := c.kind(id.Kind)
	if err != nil {
		return err
	}
	return errors.Join(removeEntry(dir, id.Key), dir.Close())
}

// removeEntry removes an entry and what is noted of it.
func removeEntry(dir *os.File, key string) error {
	if err := output.RemoveIn(dir, key+seenSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return output.RemoveIn(dir, key)
}

func (c *Cache) warn(err error) {
	if err != nil && c.opts.Warn != nil {
		c.opts.Warn(err)
	}
}

// fail gives an error in writing to the cache its meaning and its remedy.
// ENOENT is that of a directory that was removed while it is open.
func (c *Cache) fail(err error) error {
	for _, cause := range []error{unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ESTALE} {
		if errors.Is(err, cause) {
			return unavailable(err)
		}
	}
	return c.explain(err)
}

// explain adds to an error that means "full" where the cache is and how to make
// room.
func (c *Cache) explain(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	err = fullError{fmt.Errorf("the cache %s: %w", c.dir.Name(), output.Explain(err, c.dir.Name()))}
	return hint.Wrap(err, fullHint)
}

// fullError marks that there is no room in the cache.
type fullError struct{ error }

func (e fullError) Unwrap() error { return e.error }

func unavailable(err error) error {
	return hint.Wrap(fmt.Errorf("%w: %w", ErrUnavailable, err), moveHint)
}
