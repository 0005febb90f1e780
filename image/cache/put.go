package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// Content says how an entry is made.
type Content struct {
	// Description is for people.
	Description string
	// Size is how many bytes there will be, or at most; 0 if nobody knows. Room
	// is made for them first, so that the cache never has more than it may.
	Size int64
	// Hashed adds a digest of the content to the entry, which costs reading it
	// once. It is verified when it is used, and an entry that is not what was
	// put counts as missing.
	Hashed bool
	// Digest, unless empty, is the content's, "sha256:" and hexadecimal: Write has
	// verified it, so that nothing has to be read for Hashed.
	Digest string
	// Write gets an empty file to fill, at any offset, and must not close it.
	// What it returns fails the Make. Where it finds no space left, old entries
	// make room, and it is called once more, with another file.
	Write func(*os.File) error
}

// Put is Make with a description and nothing else about the content.
func (c *Cache) Put(ctx context.Context, id ID, description string, write func(*os.File) error) (*Entry, error) {
	return c.Make(ctx, id, Content{Description: description, Write: write})
}

// Make returns the entry id, which m makes if it is missing, here and below. Of
// all processes that make one entry at a time, one does it while the others wait,
// until it is there, or its maker has failed or died and another takes over,
// or ctx ends.
//
// The entry is on storage when Make returns. After it, the least recently used
// others leave until all fit Options.MaxBytes; before, there may be more by
// what is being written. On an error there is no entry, except that a failed
// fsync of the directory is reported when it is already in place. A full disk
// or an exhausted quota is ENOSPC or EDQUOT; a cache that cannot be written to
// is ErrUnavailable, before Content.Write is called.
func (c *Cache) Make(ctx context.Context, id ID, m Content) (*Entry, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	if len(c.below) > 0 {
		if e, err := c.lookUp(ctx, id); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return e, err
		}
	}
	dir, err := c.makeKind(id.Kind)
	if err != nil {
		return nil, err
	}
	e, err := c.put(ctx, dir, id, m)
	return e, errors.Join(err, dir.Close())
}

func (c *Cache) put(ctx context.Context, dir *os.File, id ID, m Content) (*Entry, error) {
	e, release, err := c.wait(ctx, dir, id)
	if err != nil || e != nil {
		return e, err
	}
	defer release()
	if err := c.makeRoom(m.Size); err != nil {
		return nil, err
	}
	e, written, err := c.write(ctx, dir, id, m)
	var full fullError
	// Nobody knows how much was still to come; a third try is not made.
	if errors.As(err, &full) && ctx.Err() == nil && c.giveWay(max(2*written, m.Size)) {
		e, _, err = c.write(ctx, dir, id, m)
	}
	if err != nil {
		return nil, err
	}
	c.warn(c.trim(id))
	return e, nil
}

// write makes the entry, and returns how long it got, even if that failed.
func (c *Cache) write(ctx context.Context, dir *os.File, id ID, m Content) (e *Entry, written int64, err error) {
	out, err := output.CreateIn(dir, id.Key, output.Options{Mode: 0o600})
	if errors.Is(err, fs.ErrExist) {
		e, err := c.get(ctx, dir, id) // another process was faster
		return e, 0, err
	}
	if err != nil {
		return nil, 0, c.fail(err)
	}
	e, written, err = c.fill(ctx, out, id, m)
	if err = errors.Join(err, out.Abort()); err != nil {
		return nil, written, err
	}
	return e, written, nil
}

// reminder is after how long Options.Waiting is called again.
const reminder = 30 * time.Second

// wait returns the entry, or the right to make it, which release gives back. It
// asks again and again, with growing pauses, because a wait in flock(2) would
// not end with ctx.
func (c *Cache) wait(ctx context.Context, dir *os.File, id ID) (e *Entry, release func(), err error) {
	const shortest, longest = 4 * time.Millisecond, time.Second
	var told time.Time
	for pause := shortest; ; pause = min(2*pause, longest) {
		release, busy := c.claims.Take(dir, id.Key)
		e, err := c.get(ctx, dir, id) // after the claim: its last holder may have made it
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			release()
			return e, nil, err
		}
		if !busy {
			return nil, release, nil
		}
		if c.opts.Waiting != nil && time.Since(told) >= reminder {
			told = time.Now()
			c.opts.Waiting(id)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("wait for the process that makes cache entry %s: %w", id, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// fill writes the entry and publishes it. Of two that were made at a time the
// first stays; the other is as good for whoever made it.
func (c *Cache) fill(ctx context.Context, out *output.File, id ID, m Content) (e *Entry, written int64, err error) {
	err = m.Write(out.File())
	if st, statErr := out.File().Stat(); statErr == nil {
		written = st.Size()
	}
	if err != nil {
		err = fmt.Errorf("make cache entry %s: %w", id, err)
		if hint.Of(err) == "" { // nor is it about another file system
			err = c.explain(err)
		}
		return nil, written, err
	}
	e, err = seal(ctx, out.File(), id, m)
	if err != nil {
		return nil, written, c.fail(fmt.Errorf("make cache entry %s: %w", id, err))
	}
	if err := out.Commit(); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, written, errors.Join(c.fail(err), e.Close())
	}
	return e, written, nil
}

// seal ends the content with a footer. It returns the entry on a descriptor of
// its own, which outlives the output's. The time is the file system's.
func seal(ctx context.Context, f *os.File, id ID, m Content) (*Entry, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	if err != nil {
		return nil, err
	}
	created := time.Unix(st.Mtim.Unix())
	foot := footer{"", oneLine(m.Description), st.Size, created.Truncate(time.Second)}
	if m.Hashed {
		if foot.digest, err = m.digest(ctx, f, st.Size); err != nil {
			return nil, err
		}
	}
	if _, err := f.WriteAt(foot.encode(id), st.Size); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newEntry(os.NewFile(uintptr(fd), f.Name()), id, foot, created), nil
}

// digest is what the footer has: the known one, or that of the file's first size
// bytes.
func (m *Content) digest(ctx context.Context, f *os.File, size int64) (string, error) {
	if m.Digest == "" {
		return sum(ctx, f, size)
	}
	known, err := hex.DecodeString(strings.TrimPrefix(m.Digest, "sha256:"))
	if err != nil || len(known) != sha256.Size {
		return "", fmt.Errorf("%q is not a SHA-256 digest", m.Digest)
	}
	return string(known), nil
}
