package lru

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func cost(n int) int64 { return int64(n) }

// load returns a loader of v.
func load(v int) func() (int, error) { return func() (int, error) { return v, nil } }

func TestLeastRecentlyUsedLeavesFirst(t *testing.T) {
	c := New[string](30, cost, nil)
	for _, key := range []string{"a", "b", "c", "a"} {
		if v, err := c.Value(key, load(10)); v != 10 || err != nil {
			t.Fatal(v, err)
		}
	}
	if _, err := c.Value("d", load(10)); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, ok := c.Peek(key); ok != want {
			t.Errorf("%s is there: %v", key, ok)
		}
	}
}

func TestTooCostlyIsNotKept(t *testing.T) {
	c := New[string](30, cost, nil)
	if v, err := c.Value("big", load(31)); v != 31 || err != nil {
		t.Fatal(v, err)
	}
	if _, ok := c.Peek("big"); ok || c.total != 0 || len(c.entries) != 0 {
		t.Errorf("kept at a total of %d", c.total)
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	c := New[string](30, cost, nil)
	failed := errors.New("failed")
	if _, err := c.Value("a", func() (int, error) { return 0, failed }); err != failed {
		t.Fatal(err)
	}
	if v, err := c.Value("a", load(5)); v != 5 || err != nil {
		t.Fatal(v, err)
	}
}

func TestRecycleWaitsForUsers(t *testing.T) {
	var out []int
	c := New[string](10, cost, func(v int) { out = append(out, v) })
	a, err := c.Get("a", load(9))
	if err != nil {
		t.Fatal(err)
	}
	again := c.Acquire("a")
	b, err := c.Get("b", load(8)) // a leaves the cache
	if err != nil {
		t.Fatal(err)
	}
	c.Release(a)
	if len(out) != 0 || again.Value() != 9 {
		t.Fatalf("recycled %v while in use", out)
	}
	c.Release(again)
	c.Release(b)
	if len(out) != 1 || out[0] != 9 {
		t.Errorf("recycled %v, want the 9 alone", out)
	}
	if c.Acquire("a") != nil {
		t.Error("an evicted entry came back")
	}
}

func TestConcurrentRequestsLoadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string](10, cost, nil)
		var loads atomic.Int32
		gate := make(chan struct{})
		for range 5 {
			go func() {
				v, err := c.Value("a", func() (int, error) {
					loads.Add(1)
					<-gate
					return 7, nil
				})
				if v != 7 || err != nil {
					t.Error(v, err)
				}
			}()
		}
		synctest.Wait()
		if c.Acquire("a") != nil {
			t.Error("an entry that is loading is ready")
		}
		close(gate)
		synctest.Wait()
		if loads.Load() != 1 {
			t.Errorf("%d loads", loads.Load())
		}
	})
}

// TestInvariants uses a small cache from many goroutines and counts: no value
// is recycled twice or while in use.
func TestInvariants(t *testing.T) {
	type value struct{ users, gone atomic.Int32 }
	c := New[int](5, func(*value) int64 { return 1 }, func(v *value) {
		if v.users.Load() != 0 || v.gone.Add(1) != 1 {
			t.Error("recycled in use or twice")
		}
	})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 2000 {
				e, err := c.Get((i*7+g)%11, func() (*value, error) { return new(value), nil })
				if err != nil {
					t.Error(err)
					return
				}
				e.Value().users.Add(1)
				if e.Value().gone.Load() != 0 {
					t.Error("use of a recycled value")
				}
				e.Value().users.Add(-1)
				c.Release(e)
			}
		})
	}
	wg.Wait()
	if len(c.entries) > 5 || c.total != int64(len(c.entries)) {
		t.Errorf("%d entries at a total of %d", len(c.entries), c.total)
	}
}
