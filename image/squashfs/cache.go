package squashfs

import "sync"

// cache keeps values that are costly to make, up to a total cost; those used
// least recently leave first. Concurrent requests for one key make it once.
// Failures are not kept.
type cache[K comparable, V any] struct {
	cost    func(V) int64
	recycle func(V) // called for a value that left and has no user; may be nil

	mu      sync.Mutex
	entries map[K]*entry[K, V]
	recent  entry[K, V] // ring: next is the entry used last, prev first to leave
	total   int64
	limit   int64
}

// entry is one value. All fields but those set before ready is closed are
// guarded by the cache's mutex.
type entry[K comparable, V any] struct {
	key        K
	ready      chan struct{} // closed when value and err are set
	value      V
	err        error
	users      int
	gone       bool // evicted: the last user recycles the value
	prev, next *entry[K, V]
}

func newCache[K comparable, V any](limit int64, cost func(V) int64) *cache[K, V] {
	c := &cache[K, V]{cost: cost, limit: limit, entries: make(map[K]*entry[K, V])}
	c.recent.prev, c.recent.next = &c.recent, &c.recent
	return c
}

// get returns the entry of key, made by load if need be. The caller must
// release it once done with its value, unless it comes with an error.
func (c *cache[K, V]) get(key K, load func() (V, error)) (*entry[K, V], error) {
	c.mu.Lock()
	if e := c.entries[key]; e != nil {
		e.users++
		if e.next != nil {
			c.unlink(e)
			c.linkFirst(e)
		}
		c.mu.Unlock()
		<-e.ready
		return e, e.err
	}
	e := &entry[K, V]{key: key, ready: make(chan struct{}), users: 1}
	c.entries[key] = e
	c.mu.Unlock()
	e.value, e.err = load()
	c.finish(e)
	return e, e.err
}

// finish publishes an entry just loaded and makes room for it.
func (c *cache[K, V]) finish(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(e.ready)
	if e.err != nil {
		delete(c.entries, e.key)
		return
	}
	c.linkFirst(e)
	c.total += c.cost(e.value)
	for old := c.recent.prev; c.total > c.limit && old != &c.recent; old = c.recent.prev {
		c.unlink(old)
		delete(c.entries, old.key)
		c.total -= c.cost(old.value)
		old.gone = true
		c.drop(old)
	}
}

// acquire returns the entry of key if it is there and ready, or nil. The
// caller must release it.
func (c *cache[K, V]) acquire(key K) *entry[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || e.next == nil {
		return nil
	}
	e.users++
	c.unlink(e)
	c.linkFirst(e)
	return e
}

// value is get for a cache without recycle, whose values need no release.
func (c *cache[K, V]) value(key K, load func() (V, error)) (V, error) {
	if e := c.acquire(key); e != nil {
		return e.value, nil
	}
	e, err := c.get(key, load)
	return e.value, err
}

// release ends one use of e.
func (c *cache[K, V]) release(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	c.drop(e)
}

func (c *cache[K, V]) drop(e *entry[K, V]) {
	if e.gone && e.users == 0 && c.recycle != nil {
		c.recycle(e.value)
	}
}

func (c *cache[K, V]) unlink(e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

func (c *cache[K, V]) linkFirst(e *entry[K, V]) {
	e.prev, e.next = &c.recent, c.recent.next
	e.prev.next, e.next.prev = e, e
}
