package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// Put returns the entry id, which write makes if it is missing. Of all
// processes that put one entry at a time, one makes it while the others wait,
// until it is there, or its maker has failed or died and another takes over,
// or ctx ends. Write gets an empty file to fill, at any offset, and must not
// close it; what it returns fails the Put. Description is for people.
//
// The entry is on storage when Put returns. After it, the least recently used
// others leave until all fit Options.MaxBytes; before, there may be more by
// what is being written. On an error there is no entry, except that a failed
// fsync of the directory is reported when it is already in place. A full disk
// or an exhausted quota is ENOSPC or EDQUOT; a cache that cannot be written to
// is ErrUnavailable, before write is called.
func (c *Cache) Put(ctx context.Context, id ID, description string, write func(*os.File) error) (*Entry, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	dir, err := c.makeKind(id.Kind)
	if err != nil {
		return nil, err
	}
	e, err := c.put(ctx, dir, id, description, write)
	return e, errors.Join(err, dir.Close())
}

func (c *Cache) put(ctx context.Context, dir *os.File, id ID, description string, write func(*os.File) error) (*Entry, error) {
	e, lock, err := c.wait(ctx, dir, id)
	if err != nil || e != nil {
		return e, err
	}
	defer lock.release()
	out, err := output.CreateIn(dir, id.Key, output.Options{Mode: 0o600})
	if errors.Is(err, fs.ErrExist) {
		return c.get(dir, id) // no locks, and another process was faster
	}
	if err != nil {
		return nil, c.fail(err)
	}
	e, err = c.fill(out, id, description, write)
	if err = errors.Join(err, out.Abort()); err != nil {
		return nil, err
	}
	c.warn(c.trim(id))
	return e, nil
}

// wait returns the entry, or the right to make it: alone where there are
// locks. It asks again and again, with growing pauses, because a wait in
// flock(2) would not end with ctx.
func (c *Cache) wait(ctx context.Context, dir *os.File, id ID) (*Entry, *lock, error) {
	const shortest, longest = 4 * time.Millisecond, time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		lock, busy := tryLock(dir, id.Key)
		e, err := c.get(dir, id) // after the lock: its last holder may have made it
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			lock.release()
			return e, nil, err
		}
		if !busy {
			return nil, lock, nil
		}
		if pause == shortest && c.opts.Waiting != nil {
			c.opts.Waiting(id)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("wait for the process that makes cache entry %s: %w", id, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// fill writes the entry and publishes it. Of two that were made without locks
// the first stays; the other is as good for whoever made it.
func (c *Cache) fill(out *output.File, id ID, description string, write func(*os.File) error) (*Entry, error) {
	if err := write(out.File()); err != nil {
		err = fmt.Errorf("make cache entry %s: %w", id, err)
		if hint.Of(err) == "" { // nor is it about another file system
			err = c.explain(err)
		}
		return nil, err
	}
	e, err := seal(out.File(), id, description)
	if err != nil {
		return nil, c.fail(fmt.Errorf("make cache entry %s: %w", id, err))
	}
	if err := out.Commit(); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(c.fail(err), e.Close())
	}
	return e, nil
}

// seal ends the content with a footer. It returns the entry on a descriptor of
// its own, which outlives the output's. The time is the file system's.
func seal(f *os.File, id ID, description string) (*Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	created := time.Unix(st.Mtim.Unix())
	foot := footer{oneLine(description), st.Size, created.Truncate(time.Second)}
	if _, err := f.WriteAt(foot.encode(id), st.Size); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newEntry(os.NewFile(uintptr(fd), f.Name()), id, foot, created), nil
}
