package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// site makes a cache below with the entries 1, which has a digest, and 2.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir() + "/site"
	c := open(t, dir, Options{})
	e, err := c.Make(context.Background(), testID(1), Content{Description: "of the site", Hashed: true, Write: fill("one below")})
	must(t, err)
	must(t, e.Close())
	put(t, c, testID(2), "two below")
	return dir
}

// state is what would show that a file was touched.
func state(t *testing.T, paths ...string) (all []unix.Stat_t) {
	t.Helper()
	for _, path := range paths {
		var st unix.Stat_t
		must(t, unix.Stat(path, &st))
		st.Atim = unix.Timespec{} // reading may set it
		all = append(all, st)
	}
	return all
}

// Entries below are handed out, never made again, and nothing there changes.
func TestBelow(t *testing.T) {
	below := site(t)
	paths := []string{below, below + "/test", below + "/" + testID(1).String(), below + "/" + testID(2).String()}
	before := state(t, paths...)
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{Below: []string{t.TempDir(), below}, Warn: func(err error) { t.Error(err) }})
	never := func(*os.File) error { t.Error("made again"); return nil }
	for n, text := range map[int]string{1: "one below", 2: "two below"} {
		e, err := c.Put(t.Context(), testID(n), "", never)
		must(t, err)
		if !e.Info().Below {
			t.Error("it is the cache's own")
		}
		wantContent(t, e, text)
		e, err = c.Get(testID(n))
		must(t, err)
		wantContent(t, e, text)
	}
	put(t, c, testID(3), "own")
	if _, err := c.Get(testID(4)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in neither: %v", err)
	}
	l, err := c.List()
	must(t, err)
	if len(l) != 3 || l[0].ID != testID(3) || l[0].Below || l[1].ID != testID(1) || !l[1].Below || l[1].Description != "of the site" || !l[2].Below {
		t.Errorf("listed %+v", l)
	}
	freed, err := c.Clean(func(Info) bool { return true })
	if freed.Entries != 1 || err != nil {
		t.Errorf("freed %+v (%v)", freed, err)
	}
	if n, err := c.Size(); n != 0 || err != nil {
		t.Errorf("its size is %d (%v)", n, err)
	}
	for i, st := range state(t, paths...) {
		if st != before[i] {
			t.Errorf("%s was %+v and is %+v", paths[i], before[i], st)
		}
	}
}

// An entry below that is no good is ignored with one warning, made in the cache
// itself, and stays.
func TestDamagedBelow(t *testing.T) {
	for name, damage := range map[string]func(dir, path string) error{
		"it is cut short":  func(_, path string) error { return os.Truncate(path, 3) },
		"it holds sha256":  func(_, path string) error { return flip(path, 0) },
		"someone else may": func(_, path string) error { return os.Chmod(path, 0o666) },
		"others may write": func(dir, _ string) error { return os.Chmod(dir+"/test", 0o770) },
		"too many levels": func(dir, path string) error {
			return errors.Join(os.Rename(path, dir+"/victim"), os.Symlink(dir+"/victim", path))
		},
	} {
		below := site(t)
		path := below + "/" + testID(1).String()
		must(t, damage(below, path))
		var warned []error
		c := open(t, t.TempDir()+"/cache", Options{Below: []string{below}, Warn: func(err error) { warned = append(warned, err) }})
		for range 2 {
			if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
		put(t, c, testID(1), "made anew")
		if len(warned) != 1 || !strings.Contains(warned[0].Error(), name) {
			t.Errorf("%s: warned of %v", name, warned)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was removed is not had from below any more: whoever verifies contents
// would find the same again and again.
func TestRemoveHidesBelow(t *testing.T) {
	c := open(t, t.TempDir()+"/cache", Options{Below: []string{site(t)}})
	if err := c.Remove(testID(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove: %v", err)
	}
	put(t, c, testID(1), "a better one")
}

// A directory that is missing, or that others than root and the caller may
// change, is not used, and that is said once.
func TestBelowIsRefused(t *testing.T) {
	writable := site(t)
	must(t, os.Chmod(writable, 0o775))
	refused := map[string]string{writable: "others may write", "/nowhere/site": "no such file", "/dev/null": "not a directory"}
	if os.Geteuid() == 0 {
		foreign := site(t)
		must(t, os.Chown(foreign, apart.UserID, apart.UserID))
		refused[foreign] = "belongs to user 1500"
	}
	for dir, want := range refused {
		var warned []error
		c := open(t, t.TempDir()+"/cache", Options{Below: []string{dir}, Warn: func(err error) { warned = append(warned, err) }})
		put(t, c, testID(1), "own")
		if len(warned) != 1 || !strings.Contains(warned[0].Error(), want) {
			t.Errorf("%s: warned of %v", dir, warned)
		}
	}
}

// Root's cache serves an ordinary user, who need not be able to write to one of
// their own.
func TestBelowOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can make root's cache")
	}
	below := site(t)
	for _, path := range []string{below, below + "/test", below + "/" + testID(1).String()} {
		must(t, os.Chmod(path, 0o755))
	}
	must(t, os.Chmod(below+"/..", 0o755))
	must(t, os.Chmod(below+"/../..", 0o755))
	top := userDir(t)
	apart.AsUser(func() {
		var warned []error
		c := open(t, top+"/cache", Options{Below: []string{below}, Warn: func(err error) { warned = append(warned, err) }})
		e, err := c.Get(testID(1))
		must(t, err)
		wantContent(t, e, "one below")
		put(t, c, testID(2), "which the user may not read")
		if len(warned) != 1 || !strings.Contains(warned[0].Error(), "permission denied") {
			t.Errorf("warned of %v", warned)
		}
		must(t, os.Chmod(top+"/cache", 0o500))
		e, err = c.Put(t.Context(), testID(1), "", fill("not this"))
		must(t, err)
		wantContent(t, e, "one below")
		must(t, os.Chmod(top+"/cache", 0o700))
	})
}

// What is noted of an entry below is in the cache above, as long as that entry
// is there.
func TestNoteOfBelow(t *testing.T) {
	below := site(t)
	path := below + "/" + testID(1).String()
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{Below: []string{below}})
	settle(t, path)
	e, err := c.Get(testID(1))
	must(t, err)
	must(t, e.Close())
	note := dir + "/" + testID(1).String() + seenSuffix
	if b, err := os.ReadFile(note); len(b) == 0 || err != nil {
		t.Errorf("the note is %q (%v)", b, err)
	}
	_, err = c.Clean(func(i Info) bool { return i.Used.Before(time.Unix(1, 0)) })
	must(t, err)
	if _, err := os.Stat(note); err != nil {
		t.Errorf("the note is gone: %v", err)
	}
	must(t, os.Remove(path))
	must(t, c.sweep())
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}
