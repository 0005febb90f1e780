package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// fromBelow opens an entry of the first cache below that has it, or fails with
// fs.ErrNotExist. What is no good there is as if it were missing; Warn is told,
// once.
func (c *Cache) fromBelow(ctx context.Context, id ID) (*Entry, error) {
	for _, s := range c.below {
		e, err := c.openBelow(ctx, s, id)
		if err == nil || ctx.Err() != nil {
			return e, err
		}
	}
	return nil, fmt.Errorf("cache entry %s: %w", id, fs.ErrNotExist)
}

func (c *Cache) openBelow(ctx context.Context, s store, id ID) (*Entry, error) {
	if c.isHidden(id) {
		return nil, fs.ErrNotExist
	}
	dir, err := s.kind(id.Kind)
	if err != nil {
		c.warnBelow(s.dir.Name()+"/"+id.Kind, err)
		return nil, err
	}
	e, err := s.openEntry(dir, id)
	if err = errors.Join(err, dir.Close()); err == nil {
		if err = c.trust(ctx, e); err == nil {
			return e, nil
		}
	}
	if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
		c.hide(id)
		c.warn(fmt.Errorf("%s: %w", s.dir.Name(), err))
	}
	if e != nil {
		err = errors.Join(err, e.Close())
	}
	return nil, err
}

// warnBelow tells of a directory below that is not used, once.
func (c *Cache) warnBelow(dir string, err error) {
	c.mu.Lock()
	told := c.bad[dir]
	c.bad[dir] = true
	c.mu.Unlock()
	if !told && !errors.Is(err, fs.ErrNotExist) {
		c.warn(fmt.Errorf("%s is not used: %w", dir, err))
	}
}

// hide makes an entry of a cache below one that is missing.
func (c *Cache) hide(id ID) {
	if len(c.below) > 0 {
		c.mu.Lock()
		c.hidden[id] = true
		c.mu.Unlock()
	}
}

func (c *Cache) isHidden(id ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hidden[id]
}

// listBelow describes the entries of the caches below that are good to use.
func (c *Cache) listBelow() (list []Info) {
	for _, s := range c.below {
		err := s.eachEntry(func(dir *os.File, id ID) error {
			e, err := s.openEntry(dir, id)
			if err != nil {
				return nil // whoever owns that cache mends it
			}
			list = append(list, e.info)
			return e.Close()
		})
		if err != nil {
			c.warnBelow(s.dir.Name(), err)
		}
	}
	return list
}
