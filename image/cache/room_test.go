package cache

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// fullness returns a writer of n bytes that counts its calls.
func fullness(n int, calls *int) func(*os.File) error {
	return func(f *os.File) error {
		*calls++
		_, err := f.Write(make([]byte, n))
		return err
	}
}

// Many entries of known size never exceed the limit, while they are written.
func TestNeverOverLimit(t *testing.T) {
	dir := t.TempDir() + "/cache"
	const limit, each = 5000, 1000
	c := open(t, dir, Options{MaxBytes: limit})
	for n := range 50 {
		e, err := c.Make(t.Context(), testID(n), Content{Size: each, Write: func(f *os.File) error {
			if have, err := c.Size(); have+each > limit || err != nil {
				t.Errorf("before entry %d there are %d bytes (%v)", n, have, err)
			}
			_, err := f.Write(make([]byte, each-200))
			return err
		}})
		must(t, err)
		must(t, e.Close())
		used(t, dir, testID(n), int64(n+1))
	}
	if n := strings.Count(list(t, dir), "test/"); n < 4 || n > 6 || !strings.Contains(list(t, dir), testID(49).String()) {
		t.Errorf("%d entries stay: %s", n, list(t, dir))
	}
}

// On a full file system, old entries make room: before, where the size is
// known, and else for a second try. What cannot fit at all is refused, and what
// is known not to fit removes nothing.
func TestOldMakesRoom(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		const k = 1 << 10
		for name, x := range map[string]struct {
			size, bytes, calls int
			kept, fails        bool
		}{
			"known":           {size: 200 * k, bytes: 200 * k, calls: 1},
			"unknown":         {bytes: 200 * k, calls: 2},
			"fits":            {size: 20 * k, bytes: 20 * k, calls: 1, kept: true},
			"known too large": {size: 900 * k, bytes: 900 * k, kept: true, fails: true},
			"too large":       {bytes: 900 * k, calls: 2, fails: true},
		} {
			dir := apart.Tmpfs(t, "size=300k,mode=0700")
			c := open(t, dir, Options{})
			for n := range 4 {
				put(t, c, testID(n), strings.Repeat("x", 50*k))
				used(t, dir, testID(n), int64(n+1))
			}
			calls := 0
			e, err := c.Make(t.Context(), testID(9), Content{Size: int64(x.size), Write: fullness(x.bytes, &calls)})
			if x.fails {
				wantError(t, err, dir, "make room with 'sealift cache clean'")
				if !errors.Is(err, unix.ENOSPC) {
					t.Errorf("%s: it is %v", name, err)
				}
			} else {
				must(t, err)
				must(t, e.Close())
			}
			if calls != x.calls {
				t.Errorf("%s: it is written %d times", name, calls)
			}
			if kept := strings.Contains(list(t, dir), testID(0).Key); kept != x.kept {
				t.Errorf("%s: there is %s", name, list(t, dir))
			}
			if newest := strings.Contains(list(t, dir), testID(3).Key); !x.fails && x.size+x.bytes < 100*k && !newest {
				t.Errorf("%s: the newest is gone: %s", name, list(t, dir))
			}
		}
	})
}

// An exhausted quota is a full file system; other errors of the writer are not,
// nor is a full one elsewhere.
func TestQuota(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	for _, x := range []struct {
		err   error
		calls int
	}{
		{&os.PathError{Op: "write", Path: "entry", Err: unix.EDQUOT}, 2},
		{&os.PathError{Op: "write", Path: "entry", Err: unix.EIO}, 1},
		{c.explain(unix.ENOSPC), 2},
		{hinted{unix.ENOSPC}, 1},
	} {
		put(t, c, testID(1), "old")
		calls := 0
		_, err := c.Put(context.Background(), testID(2), "", func(*os.File) error { calls++; return x.err })
		if !errors.Is(err, x.err) || calls != x.calls {
			t.Errorf("%v: %d calls, %v", x.err, calls, err)
		}
		if kept := list(t, dir) == testID(1).String(); kept != (x.calls == 1) {
			t.Errorf("%v: there is %q", x.err, list(t, dir))
		}
	}
}

// hinted is an error that is about another file system.
type hinted struct{ error }

func (h hinted) Unwrap() error { return h.error }

func (hinted) Hint() string { return "make room there" }

// The second try after a full disk is a whole one.
func TestSecondTry(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	put(t, c, testID(1), "old")
	calls := 0
	e, err := c.Put(t.Context(), testID(2), "", func(f *os.File) error {
		calls++
		if err := fill("new")(f); err != nil || calls == 2 {
			return err
		}
		return unix.EDQUOT
	})
	must(t, err)
	wantContent(t, e, "new")
	if got := list(t, dir); got != testID(2).String() {
		t.Errorf("there is %q", got)
	}
}
