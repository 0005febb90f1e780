package remember

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/trust/merkle"
)

// An entry that is not what was made is not used, and replaced.
func TestNoGood(t *testing.T) {
	s, err := summarize(data)
	must(t, err)
	good := append(s.Root.Bytes(), s.Tree...)
	changed := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	larger := s.Root
	larger.Size++
	// Whole entries, such as the cache itself writes.
	for name, content := range map[string][]byte{
		"empty": {}, "a short root": good[:10], "no root": bytes.Repeat([]byte("no root "), 100), "no tree": good[:merkle.RootSize],
		"a tree that is cut": good[:len(good)-1], "more": append(bytes.Clone(good), 0), "another root": changed(40),
		"another tree": changed(len(good) - 1), "another tree, above": changed(merkle.RootSize), "another version": changed(16),
		"of another size": append(larger.Bytes(), s.Tree...),
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			c, err := cache.Open(u.dir, cache.Options{})
			must(t, err)
			id := cache.ID{Kind: Kind, Key: s.Digest}
			e, err := c.Put(t.Context(), id, "", func(f *os.File) error { _, err := f.Write(content); return err })
			must(t, errors.Join(err, e.Close(), c.Close()))
			u.knows(true)
			u.warned(1, "is no good, and is made again")
			u.knows(false)
			u.warned(0, "")
		})
	}
}

// Files that are no entries, or may be somebody else's.
func TestPoisoned(t *testing.T) {
	for name, c := range map[string]struct {
		poison func(path string) error
		root   bool // only root can do it
	}{
		"cut short":      {func(path string) error { return os.Truncate(path, 3000) }, false},
		"emptied":        {func(path string) error { return os.Truncate(path, 0) }, false},
		"a flipped byte": {func(path string) error { return flip(path, merkle.RootSize+100) }, false},
		"writable":       {func(path string) error { return os.Chmod(path, 0o666) }, false},
		"a symbolic link": {func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		}, false},
		"another's":       {func(path string) error { return os.Chown(path, 1501, -1) }, true},
		"of another name": {func(path string) error { return other(path) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				apart.Skip(t, "only root can give files away")
			}
			u := newUser(t)
			u.knows(true)
			must(t, c.poison(u.entry()))
			u.knows(true)
			u.warned(1, "cache entry tree/"+wanted(data).Digest)
			u.knows(false)
			u.warned(0, "")
		})
	}
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{b[0] ^ 1}, at)
	return err
}

// other puts the entry of other data in the place of one.
func other(path string) error {
	c, err := cache.Open(filepath.Dir(filepath.Dir(path)), cache.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := summarize(otherData)
	if err != nil {
		return err
	}
	e, err := c.Put(context.Background(), cache.ID{Kind: Kind, Key: s.Digest}, "", func(f *os.File) error {
		_, err := f.Write(append(s.Root.Bytes(), s.Tree...))
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(e.Close(), os.Rename(filepath.Join(filepath.Dir(path), s.Digest), path))
}
