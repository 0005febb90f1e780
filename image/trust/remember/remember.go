// Package remember keeps what was found by reading the file systems of images whole,
// in the user's cache, so that each is read once.
//
// Input: a cache, the digest that signers say a file system has, and a function that
// reads it. Output: the Root and the tree of the data with that digest, by which each
// block can be checked when it is read. The package verifies no signature, knows no
// path and no image: what has the digest is the same data wherever it is, and a file
// with other data finds nothing here.
//
// An entry has the digest for its key. It is the Root and then the tree, in the formats of
// package merkle. That the Root is of the data with the digest, the entry says and
// nothing can check but reading it all; therefore entries are made here only of what was
// read, and nobody else can have made one: package cache takes no directory and no file
// that another user may write to, except root's. Who may write to the cache is the user,
// whose own rules these are. The rest is checked each time: that the tree has the Root,
// and the size. An entry that is no good goes, and is made again.
package remember

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Kind is the kind of the cache entries.
const Kind = "tree"

// NotKeptError is that something will have to be read again the next time.
type NotKeptError struct{ Cause error }

// Error says so.
func (e *NotKeptError) Error() string {
	return fmt.Sprintf("what was read to verify the image is read again at the next start: %v", e.Cause)
}

func (e *NotKeptError) Unwrap() error { return e.Cause }

// Trees is what is remembered. It is gate.Memory.
type Trees struct {
	// Open opens the cache, which is closed after each use.
	Open func() (*cache.Cache, error)
	// Warn is told of what went wrong without harm: a *NotKeptError, or that an entry
	// was no good.
	Warn func(error)
}

// Summary returns what is known of the data that is wanted, without its tree if that is
// at hand. What is not known read finds out and is kept: by one of all processes that want
// it at a time, while the others wait. If read finds other data, that is returned, and not
// kept. An error is read's, or that ctx has ended.
func (t *Trees) Summary(ctx context.Context, w merkle.Wanted, read func() (merkle.Summary, error)) (merkle.Summary, error) {
	u := &use{ctx: ctx, wanted: w, ask: sync.OnceValues(read)}
	c, err := t.Open()
	if err == nil {
		var s merkle.Summary
		s, err = u.known(c, t.Warn)
		if err = errors.Join(err, c.Close()); err == nil {
			return s, nil
		}
	}
	s, failed := u.ask()
	if failed == nil && !errors.Is(err, errOther) {
		t.Warn(&NotKeptError{err})
	}
	return s, failed
}

// errOther is that the data that were read are not those wanted, and errNoGood that an entry
// does not hold what it should.
var (
	errOther  = errors.New("other data were read")
	errNoGood = errors.New("it is no good, and is made again")
)

// use is a question to the cache.
type use struct {
	ctx    context.Context
	wanted merkle.Wanted
	ask    func() (merkle.Summary, error) // reads, once
}

// known returns what a cache knows in the end. An entry that is no good is replaced.
func (u *use) known(c *cache.Cache, warn func(error)) (merkle.Summary, error) {
	id := cache.ID{Kind: Kind, Key: u.wanted.Digest}
	s, err := u.entry(c, id)
	if !errors.Is(err, errNoGood) {
		return s, err
	}
	warn(fmt.Errorf("cache entry %s: %w", id, err))
	if err := c.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	return u.entry(c, id)
}

// entry returns what an entry holds, which is made if it is missing.
func (u *use) entry(c *cache.Cache, id cache.ID) (s merkle.Summary, err error) {
	made := false
	e, err := c.Make(u.ctx, id, cache.Content{
		Description: fmt.Sprintf("hash tree of a file system of %d MiB", u.wanted.Size>>20),
		Size:        merkle.RootSize + merkle.Root{LeafSize: merkle.DefaultLeafSize, Size: u.wanted.Size}.TreeSize(),
		Write: func(f *os.File) (err error) {
			made = true
			s, err = u.write(f)
			return err
		},
	})
	if err != nil {
		return s, err
	}
	if !made {
		s, err = u.load(e)
	}
	return s, errors.Join(err, e.Close())
}

// write reads the data and fills an entry.
func (u *use) write(f *os.File) (merkle.Summary, error) {
	s, err := u.ask()
	if err == nil && s.Digest != u.wanted.Digest {
		err = errOther
	}
	if err == nil {
		_, err = f.Write(slices.Concat(s.Root.Bytes(), s.Tree))
	}
	return s, err
}

// load reads an entry.
func (u *use) load(e *cache.Entry) (s merkle.Summary, err error) {
	s.Digest = u.wanted.Digest
	head := make([]byte, merkle.RootSize)
	if _, err := e.ReadAt(head, 0); err != nil {
		return s, fmt.Errorf("%w: %w", errNoGood, err)
	}
	if s.Root, err = merkle.ParseRoot(head); err != nil {
		return s, fmt.Errorf("%w: %w", errNoGood, err)
	}
	if s.Root.Size != u.wanted.Size || e.Size() != merkle.RootSize+s.Root.TreeSize() {
		return s, fmt.Errorf("%w: it is of %d bytes, not %d, or cut short", errNoGood, s.Root.Size, u.wanted.Size)
	}
	if s.Root == u.wanted.Own {
		return s, nil
	}
	s.Tree = make([]byte, s.Root.TreeSize())
	if _, err := e.ReadAt(s.Tree, merkle.RootSize); err != nil {
		return s, fmt.Errorf("%w: %w", errNoGood, err)
	}
	if !s.Root.Holds(s.Tree) {
		return s, fmt.Errorf("%w: the tree does not match its root", errNoGood)
	}
	return s, nil
}
