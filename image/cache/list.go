package cache

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/output"
)

// List describes all entries, by kind and key. It removes damaged ones.
func (c *Cache) List() ([]Info, error) {
	var list []Info
	err := c.eachEntry(func(dir *os.File, id ID) error {
		e, err := c.open(dir, id)
		if err != nil {
			return err
		}
		list = append(list, e.info)
		return e.Close()
	})
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.String(), b.String()) })
	return list, err
}

// Size returns how many bytes the entries have together, with what the cache
// adds to each.
func (c *Cache) Size() (int64, error) {
	items, err := c.scan()
	return total(items), err
}

// Freed is what was removed from a cache.
type Freed struct {
	Entries int
	Bytes   int64
}

// Clean removes the entries that were last used before the given time, and
// what processes that were killed have left behind. It removes as much as it
// can, whatever fails.
func (c *Cache) Clean(before time.Time) (Freed, error) {
	items, err := c.scan()
	freed, removeErr := c.remove(unused(items, before))
	return freed, errors.Join(err, removeErr, c.sweep())
}

// trim makes the entries fit Options.MaxBytes; keep stays.
func (c *Cache) trim(keep ID) error {
	if c.opts.MaxBytes <= 0 {
		return nil
	}
	items, err := c.scan()
	_, removeErr := c.remove(surplus(items, c.opts.MaxBytes, keep))
	return errors.Join(err, removeErr, c.sweep())
}

// scan looks at all entries, without opening them.
func (c *Cache) scan() ([]item, error) {
	var items []item
	err := c.eachEntry(func(dir *os.File, id ID) error {
		var st unix.Stat_t
		if err := unix.Fstatat(int(dir.Fd()), id.Key, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "stat", Path: dir.Name() + "/" + id.Key, Err: err}
		}
		items = append(items, item{id, st.Size, time.Unix(st.Mtim.Unix())})
		return nil
	})
	return items, err
}

// eachEntry calls visit with each entry and the directory that it is in. One
// that is gone by then is passed over.
func (c *Cache) eachEntry(visit func(dir *os.File, id ID) error) error {
	return c.eachKind(func(dir *os.File, kind string) error {
		names, err := names(dir)
		for _, name := range names {
			id := ID{kind, name}
			if id.check() != nil {
				continue
			}
			if err := visit(dir, id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return err
	})
}

// remove removes entries; that others do so too is no error.
func (c *Cache) remove(items []item) (freed Freed, err error) {
	for _, i := range items {
		switch e := c.Remove(i.id); {
		case e == nil:
			freed.Entries++
			freed.Bytes += i.size
		case !errors.Is(e, fs.ErrNotExist):
			err = errors.Join(err, e)
		}
	}
	return freed, err
}

// sweep removes what killed processes have left: hidden files that nobody
// writes to, and lock files that nobody holds.
func (c *Cache) sweep() error {
	return c.eachKind(func(dir *os.File, _ string) error {
		names, err := names(dir)
		for _, name := range names {
			if key, ok := lockedKey(name); ok {
				lock, _ := tryLock(dir, key)
				lock.release()
			}
		}
		return errors.Join(err, output.SweepIn(dir, "."))
	})
}

// eachKind calls visit with the directory of each kind, and returns all errors.
// What else is in the cache's directory is left alone.
func (c *Cache) eachKind(visit func(dir *os.File, kind string) error) error {
	kinds, err := names(c.dir)
	for _, kind := range kinds {
		if !isKind(kind) {
			continue
		}
		dir, e := c.kind(kind)
		if errors.Is(e, errNoKind) {
			continue
		}
		if e == nil {
			e = errors.Join(visit(dir, kind), dir.Close())
		}
		err = errors.Join(err, e)
	}
	return err
}

// names returns what is in a directory, in byte order. It reads on a
// descriptor of its own, for that of dir has one position for all its users.
func names(dir *os.File) ([]string, error) {
	fd, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: dir.Name(), Err: err}
	}
	d := os.NewFile(uintptr(fd), dir.Name())
	names, err := d.Readdirnames(-1)
	slices.SortFunc(names, strings.Compare)
	return names, errors.Join(err, d.Close())
}
