// Package lru is a cache of values that are costly to make and that several
// goroutines may want at once.
//
// Input: keys, and a function that makes the value of one. Output: the value,
// made once however many ask for it. Memory is bounded by a limit on the sum
// of costs, values in use apart. The package starts no goroutine and knows
// nothing of images.
package lru

import "sync"

// Cache keeps values up to a total cost; those used least recently leave
// first. Failures to make one are not kept. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	cost    func(V) int64
	recycle func(V)

	mu      sync.Mutex
	entries map[K]*Entry[K, V]
	recent  Entry[K, V] // ring: next is the entry used last, prev first to leave
	total   int64
	limit   int64
}

// Entry is a value in use, or kept.
type Entry[K comparable, V any] struct {
	key        K
	ready      chan struct{} // closed when value and err are set
	value      V
	err        error
	users      int
	gone       bool // evicted: the last user recycles the value
	prev, next *Entry[K, V]
}

// Value returns what the entry holds; with a recycling cache, until the entry
// is released.
func (e *Entry[K, V]) Value() V { return e.value }

// New returns a cache of values whose costs sum up to limit; the cost of a
// value must not change. recycle, unless nil, takes each value that has left
// the cache and has no user; it must not call the cache.
func New[K comparable, V any](limit int64, cost func(V) int64, recycle func(V)) *Cache[K, V] {
	c := &Cache[K, V]{cost: cost, recycle: recycle, limit: limit, entries: make(map[K]*Entry[K, V])}
	c.recent.prev, c.recent.next = &c.recent, &c.recent
	return c
}

// Get returns the entry of key, made by load if need be. The caller must
// Release it once done with its value, unless it comes with an error.
func (c *Cache[K, V]) Get(key K, load func() (V, error)) (*Entry[K, V], error) {
	c.mu.Lock()
	if e := c.entries[key]; e != nil {
		e.users++
		c.touch(e)
		c.mu.Unlock()
		<-e.ready
		return e, e.err
	}
	e := &Entry[K, V]{key: key, ready: make(chan struct{}), users: 1}
	c.entries[key] = e
	c.mu.Unlock()
	e.value, e.err = load()
	c.finish(e)
	return e, e.err
}

// finish publishes an entry just loaded and makes room for it.
func (c *Cache[K, V]) finish(e *Entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(e.ready)
	if e.err != nil {
		delete(c.entries, e.key)
		return
	}
	c.link(e)
	c.total += c.cost(e.value)
	for c.total > c.limit && c.recent.prev != &c.recent {
		old := c.recent.prev
		c.unlink(old)
		delete(c.entries, old.key)
		c.total -= c.cost(old.value)
		old.gone = true
		c.drop(old)
	}
}

// Acquire returns the entry of key if it is there and ready, or nil. The
// caller must Release it.
func (c *Cache[K, V]) Acquire(key K) *Entry[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || e.next == nil {
		return nil
	}
	e.users++
	c.touch(e)
	return e
}

// Value is Get for a cache without recycling, whose values need no Release.
func (c *Cache[K, V]) Value(key K, load func() (V, error)) (V, error) {
	e, err := c.Get(key, load)
	return e.value, err
}

// Peek returns the value of key if it is there and ready, for a cache without
// recycling.
func (c *Cache[K, V]) Peek(key K) (v V, ok bool) {
	if e := c.Acquire(key); e != nil {
		return e.value, true
	}
	return v, false
}

// Release ends one use of e.
func (c *Cache[K, V]) Release(e *Entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	c.drop(e)
}

func (c *Cache[K, V]) drop(e *Entry[K, V]) {
	if e.gone && e.users == 0 && c.recycle != nil {
		c.recycle(e.value)
	}
}

// touch makes e the entry used last, unless it is still loading.
func (c *Cache[K, V]) touch(e *Entry[K, V]) {
	if e.next != nil {
		c.unlink(e)
		c.link(e)
	}
}

func (c *Cache[K, V]) unlink(e *Entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

func (c *Cache[K, V]) link(e *Entry[K, V]) {
	e.prev, e.next = &c.recent, c.recent.next
	e.prev.next, e.next.prev = e, e
}
