package cache

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"
)

// makeRoom makes room for an entry of size bytes, 0 for one that nobody knows,
// before it is written: within Options.MaxBytes, and on the file system. If
// that cannot be had, it is ENOSPC, and nothing is removed.
func (c *Cache) makeRoom(size int64) error {
	if size <= 0 {
		return nil
	}
	items, err := c.scan()
	if err != nil {
		return err
	}
	have, limit := total(items), total(items)
	if free, ok := c.free(); ok && free < size {
		if free+have < size {
			return c.explain(fmt.Errorf("an entry of %d MiB is too large, even without the other entries, of %d MiB: %w",
				size>>20, have>>20, unix.ENOSPC))
		}
		limit = have - (size - free)
	}
	if c.opts.MaxBytes > 0 {
		limit = min(limit, max(0, c.opts.MaxBytes-size))
	}
	_, err = c.remove(surplus(items, limit, ID{}))
	return err
}

// free returns how many bytes the caller may still write to the file system, as
// far as that tells.
func (c *Cache) free() (n int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(c.dir.Fd()), &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return int64(st.Bavail) * cmp.Or(st.Frsize, st.Bsize), true
}

// giveWay removes the least recently used entries, of at least size bytes and at
// least one, and says whether it could.
func (c *Cache) giveWay(size int64) bool {
	items, err := c.scan()
	if err != nil {
		return false
	}
	freed, _ := c.remove(surplus(items, max(0, total(items)-max(1, size)), ID{}))
	return freed.Entries > 0
}
