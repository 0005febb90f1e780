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

	"github.com/sealift/sealift/image/cache/claim"
	"github.com/sealift/sealift/image/output"
)

// List describes all entries, by kind and key, those of the caches below behind
// the cache's own. It removes damaged ones of its own.
func (c *Cache) List() ([]Info, error) {
	list, err := c.list()
	below := c.listBelow()
	for _, l := range [][]Info{list, below} {
		slices.SortStableFunc(l, func(a, b Info) int { return cmp.Compare(a.String(), b.String()) })
	}
	return append(list, below...), err
}

func (c *Cache) list() (list []Info, err error) {
	err = c.eachEntry(func(dir *os.File, id ID) error {
		e, err := c.open(dir, id)
		if err != nil {
			return err
		}
		e.info.Used = lastUse(e.info.Used, noted(dir, id.Key))
		list = append(list, e.info)
		return e.Close()
	})
	return list, err
}

// lastUse is the later of the times of an entry and of its note. An entry of the
// future was made by a clock that was wrong: its note knows better.
func lastUse(entry, note time.Time) time.Time {
	future := entry.After(time.Now().Add(time.Hour))
	if note.After(entry) || future && !note.IsZero() {
		return note
	}
	return entry
}

// noted returns when an entry with a note was last used.
func noted(dir *os.File, key string) (at time.Time) {
	var st unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), key+seenSuffix, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		at = time.Unix(st.Mtim.Unix())
	}
	return at
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

// Clean removes the entries that unwanted returns true for, and what processes
// that were killed have left behind. It removes as much as it can, whatever
// fails, and nothing of the caches below.
func (c *Cache) Clean(unwanted func(Info) bool) (Freed, error) {
	list, err := c.list()
	var items []item
	for _, i := range list {
		if unwanted(i) {
			items = append(items, item{i.ID, i.Size, i.Used})
		}
	}
	freed, removeErr := c.remove(items)
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
		used := lastUse(time.Unix(st.Mtim.Unix()), noted(dir, id.Key))
		items = append(items, item{id, st.Size, used})
		return nil
	})
	return items, err
}

// eachEntry calls visit with each entry and the directory that it is in. One
// that is gone by then is passed over.
func (s store) eachEntry(visit func(dir *os.File, id ID) error) error {
	return s.eachKind(func(dir *os.File, kind string) error {
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
// writes to, locks and leases that nobody holds; and notes of no entry.
func (c *Cache) sweep() error {
	return c.eachKind(func(dir *os.File, kind string) error {
		names, err := names(dir)
		for _, name := range names {
			c.sweepOne(dir, kind, name)
		}
		return errors.Join(err, output.SweepIn(dir, "."))
	})
}

// sweepOne removes a file beside the entries if it is of no more use.
func (c *Cache) sweepOne(dir *os.File, kind, name string) {
	c.claims.Sweep(dir, name, isKey)
	if key, ok := seenKey(name); ok && !c.has(ID{kind, key}) {
		_ = unix.Unlinkat(int(dir.Fd()), name, 0) // or it stays, to no harm
	}
}

// has says whether something has the name of an entry, here or below.
func (c *Cache) has(id ID) bool {
	return slices.ContainsFunc(append(slices.Clone(c.below), c.store), func(s store) bool {
		var st unix.Stat_t
		return unix.Fstatat(int(s.dir.Fd()), id.String(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil
	})
}

// eachKind calls visit with the directory of each kind, and returns all errors.
// What else is in the cache's directory is left alone.
func (s store) eachKind(visit func(dir *os.File, kind string) error) error {
	kinds, err := names(s.dir)
	for _, kind := range kinds {
		if !isKind(kind) {
			continue
		}
		dir, e := s.kind(kind)
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
	fd, err := claim.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: dir.Name(), Err: err}
	}
	d := os.NewFile(uintptr(fd), dir.Name())
	names, err := d.Readdirnames(-1)
	slices.SortFunc(names, strings.Compare)
	return names, errors.Join(err, d.Close())
}
