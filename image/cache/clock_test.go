package cache

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWrongClockT127: times of files that a wrong clock left, ten years off, decide
// nothing but what is removed first: entries stay whole and checked, the limit holds,
// and what is asked for now is the last to go.
func TestWrongClockT127(t *testing.T) {
	now := time.Now()
	for name, at := range map[string]time.Time{
		"ten years ago": now.AddDate(-10, 0, 0), "in ten years": now.AddDate(10, 0, 0), "at the beginning": time.Unix(0, 0), "before it": time.Unix(-5, 0),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/cache"
			c := open(t, dir, Options{MaxBytes: 2500})
			path := func(n int) string { return dir + "/" + testID(n).String() }
			wrong := func(path string) { t.Helper(); must(t, os.Chtimes(path, at, at)) }
			for range 2 { // the second finds it there, and notes its use
				makeHashed(t, c, string(make([]byte, 1000)))
			}
			put(t, c, testID(2), string(make([]byte, 1000)))
			wrong(path(1))
			wrong(path(1) + seenSuffix)
			wrong(path(2))
			l, err := c.List()
			if err != nil || len(l) != 2 || l[0].Used.Unix() != at.Unix() {
				t.Fatalf("%+v, %v", l, err)
			}
			for n := range 2 {
				e, err := c.Get(testID(n + 1))
				must(t, err)
				wantContent(t, e, string(make([]byte, 1000)))
			}
			if l, err = c.List(); err != nil || l[0].Used.Sub(now).Abs() > time.Hour || l[1].Used.Sub(now).Abs() > time.Hour {
				t.Errorf("used a moment ago: %+v, %v", l, err)
			}
			// One that the clock makes the latest does not push out what is new.
			wrong(path(2))
			put(t, c, testID(3), string(make([]byte, 1000)))
			if size, err := c.Size(); err != nil || size > 2500 {
				t.Errorf("the cache has %d bytes, %v", size, err)
			}
			e, err := c.Get(testID(3))
			must(t, err)
			must(t, e.Close())

			// What was changed is found, whatever time it has.
			if err := c.Remove(testID(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			makeHashed(t, c, "good content")
			must(t, replace(path(1), "evil"))
			wrong(path(1))
			if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("other bytes of that time: %v", err)
			}
			// What a killed process left then goes too.
			left := dir + "/test/.left"
			must(t, os.WriteFile(left, nil, 0o600))
			wrong(left)
			_, err = c.Clean(func(Info) bool { return false })
			must(t, err)
			if err := unix.Access(left, unix.F_OK); err != unix.ENOENT {
				t.Errorf("what was left: %v", err)
			}
		})
	}
}
