package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/cache/claim"
)

// Info describes an entry.
type Info struct {
	ID
	// Description is what Put was told, as one line of at most 200 bytes
	// without control characters.
	Description string
	// Size is the length of the content in bytes.
	Size int64
	// Created is when the entry was made, to the second.
	Created time.Time
	// Used is when the entry was last asked for.
	Used time.Time
	// Below says that it is in a cache of Options.Below.
	Below bool
}

// Entry is the content of an entry, open for reading at any offset. Whatever
// becomes of the entry in the cache, it stays readable until it is closed.
type Entry struct {
	*io.SectionReader
	file   *os.File
	info   Info
	digest string // SHA-256 of the content; empty if none was made
}

// Info describes the entry as it was when it was opened.
func (e *Entry) Info() Info { return e.info }

// File returns the open file, for those who need a descriptor. The content is
// its first Size bytes; something follows it. The caller must neither write to
// the file nor close it.
func (e *Entry) File() *os.File { return e.file }

// Close closes the entry.
func (e *Entry) Close() error { return e.file.Close() }

// errDamaged marks an entry that is not what Put made.
var errDamaged = errors.New("damaged")

// ErrNoDigest is the error of Verify for an entry that has no digest.
var ErrNoDigest = errors.New("the cache entry has no digest")

// Verify reads the whole content and fails unless it is what was put. It needs
// Content.Hashed, else it is ErrNoDigest.
func (e *Entry) Verify(ctx context.Context) error {
	if e.digest == "" {
		return fmt.Errorf("%s: %w", e.info.ID, ErrNoDigest)
	}
	got, err := sum(ctx, e.file, e.Size())
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("verify cache entry %s: %w", e.info.ID, err)
	case err != nil:
		return damaged(e.info.ID, err)
	case got != e.digest:
		return damaged(e.info.ID, fmt.Errorf("it holds sha256:%x instead of sha256:%x", got, e.digest))
	}
	return nil
}

// Get opens an entry and notes its use. One that is missing is fs.ErrNotExist,
// and so is one that was found damaged: cut short, not a file of the caller's,
// or not what its digest says. That one is removed.
//
// The first Get of an entry with a digest, since the host was started or the
// file was changed, reads all of it; a Put does the same, and ends with its
// context.
func (c *Cache) Get(id ID) (*Entry, error) { return c.lookUp(context.Background(), id) }

// lookUp is Get with a context, which ends a verification.
func (c *Cache) lookUp(ctx context.Context, id ID) (*Entry, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	dir, err := c.kind(id.Kind)
	var e *Entry
	if err == nil {
		e, err = c.get(ctx, dir, id)
		err = errors.Join(err, dir.Close())
	}
	if len(c.below) > 0 && errors.Is(err, fs.ErrNotExist) {
		if e, belowErr := c.fromBelow(ctx, id); belowErr == nil || ctx.Err() != nil {
			return e, belowErr
		}
	}
	return e, err
}

func (c *Cache) get(ctx context.Context, dir *os.File, id ID) (*Entry, error) {
	e, err := c.open(dir, id)
	if err != nil {
		return nil, err
	}
	if e.digest != "" {
		if err := c.trust(ctx, e); err != nil {
			return nil, errors.Join(c.discard(dir, id, err), e.Close())
		}
		return e, nil
	}
	// Only the order of eviction depends on it, and a cache that may only be
	// read has none.
	_ = claim.Touch(dir, id.Key)
	return e, nil
}

// open opens an entry; it removes a damaged one and returns fs.ErrNotExist.
func (c *Cache) open(dir *os.File, id ID) (*Entry, error) {
	e, err := c.openEntry(dir, id)
	if err != nil {
		return nil, c.discard(dir, id, err)
	}
	return e, nil
}

// discard removes an entry whose error is errDamaged and returns fs.ErrNotExist;
// any other error it returns.
func (c *Cache) discard(dir *os.File, id ID, err error) error {
	if !errors.Is(err, errDamaged) {
		return err
	}
	c.warn(err)
	// Another process may have replaced it since; then a good entry goes, and
	// is made again when it is wanted.
	err = removeEntry(dir, id.Key)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache entry %s was damaged: %w", id, fs.ErrNotExist)
	}
	return fmt.Errorf("damaged cache entry %s: %w: %w", id, fs.ErrNotExist, err)
}

// openEntry opens an entry and reads its footer.
func (s store) openEntry(dir *os.File, id ID) (*Entry, error) {
	fd, err := claim.Openat(dir, id.Key, unix.O_RDONLY, 0)
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO, unix.EACCES: // a symbolic link, a socket, another user's
		return nil, damaged(id, err)
	default:
		return nil, &fs.PathError{Op: "open", Path: dir.Name() + "/" + id.Key, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir.Name()+"/"+id.Key)
	e, err := s.readEntry(f, id)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return e, nil
}

func (s store) readEntry(f *os.File, id ID) (*Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, damaged(id, errors.New("it is not a regular file"))
	case !s.trusts(&st):
		return nil, damaged(id, errors.New("someone else may have written it"))
	}
	end := make([]byte, min(st.Size, maxFooter))
	if _, err := f.ReadAt(end, st.Size-int64(len(end))); err != nil && err != io.EOF {
		return nil, err
	}
	foot, err := parseFooter(end, st.Size, id)
	if err != nil {
		return nil, damaged(id, err)
	}
	e := newEntry(f, id, foot, time.Unix(st.Mtim.Unix()))
	e.info.Below = s.below
	return e, nil
}

func newEntry(f *os.File, id ID, foot footer, used time.Time) *Entry {
	return &Entry{
		SectionReader: io.NewSectionReader(f, 0, foot.size),
		file:          f,
		info:          Info{ID: id, Description: foot.description, Size: foot.size, Created: foot.created, Used: used},
		digest:        foot.digest,
	}
}

func damaged(id ID, cause error) error {
	return fmt.Errorf("cache entry %s is %w and counts as missing: %w", id, errDamaged, cause)
}
