package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

func TestPutAndGet(t *testing.T) {
	dir := userDir(t) + "/made/for/it"
	apart.AsUser(func() {
		mask := unix.Umask(0)
		defer unix.Umask(mask)
		c := open(t, dir, Options{MaxBytes: 1 << 20, Warn: func(err error) { t.Error(err) }})
		if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("before Put: %v", err)
		}
		e, err := c.Put(context.Background(), testID(1), "a\nlayer \x1b[31m", func(f *os.File) error {
			_, err := f.WriteAt([]byte("tail"), 100_000)
			return errors.Join(err, fill("head")(f)) // not in order, with a hole
		})
		must(t, err)
		want := "head" + strings.Repeat("\x00", 100_000-4) + "tail"
		info := e.Info()
		wantContent(t, e, want)
		if info.ID != testID(1) || info.Size != int64(len(want)) || info.Description != "a layer  [31m" {
			t.Errorf("Put's entry is %+v", info)
		}
		e, err = c.Get(testID(1))
		must(t, err)
		if got := e.Info(); got.Size != info.Size || got.Description != info.Description || !got.Created.Equal(info.Created) {
			t.Errorf("Get's entry is %+v, Put's %+v", got, info)
		}
		b := make([]byte, 8)
		if n, err := e.File().ReadAt(b, info.Size-4); n != 8 || err != nil || string(b[:4]) != "tail" {
			t.Errorf("the file has %q at the end of the content (%v)", b[:n], err)
		}
		wantContent(t, e, want)
		e, err = c.Put(context.Background(), testID(1), "", func(*os.File) error { return errors.New("made twice") })
		must(t, err)
		wantContent(t, e, want)
		put(t, c, testID(2), "")
		wantModes(t, dir)
	})
}

// wantModes checks that nobody else can list or read anything.
func wantModes(t *testing.T, dir string) {
	t.Helper()
	for path, want := range map[string]fs.FileMode{
		dir: 0o700, dir + "/..": 0o700, dir + "/test": 0o700, dir + "/" + testID(1).String(): 0o600,
	} {
		st, err := os.Stat(path)
		must(t, err)
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
	}
	if got, want := list(t, dir), testID(1).String()+" "+testID(2).String(); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

// A failure of the caller's is the caller's, leaves nothing, and is not the
// end of the entry.
func TestFailingWriter(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	for _, cause := range []error{errors.New("no network"), fs.ErrPermission} {
		_, err := c.Put(context.Background(), testID(1), "", func(f *os.File) error {
			return errors.Join(fill("half")(f), cause)
		})
		if !errors.Is(err, cause) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%v is reported as %v", cause, err)
		}
		if got := list(t, dir); got != "" {
			t.Errorf("left over: %q", got)
		}
	}
	put(t, c, testID(1), "whole")
}

// Within one process it is as between processes; one that waits takes over
// from one that fails.
func TestFailingMakerHandsOver(t *testing.T) {
	dir := t.TempDir() + "/cache"
	waiting, failed := make(chan struct{}), make(chan error)
	first := open(t, dir, Options{})
	second := open(t, dir, Options{Waiting: func(ID) { close(waiting) }})
	begun := make(chan struct{})
	go func() {
		_, err := first.Put(context.Background(), testID(1), "", func(*os.File) error {
			close(begun)
			<-waiting
			return errors.New("first")
		})
		failed <- err
	}()
	<-begun
	put(t, second, testID(1), "second")
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "first") {
		t.Errorf("the first: %v", err)
	}
}

// An entry that is open survives its removal, whoever removes it.
func TestEntryInUse(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	for name, remove := range map[string]func(id ID) error{
		"Remove": c.Remove,
		"Clean":  func(ID) error { _, err := c.Clean(func(Info) bool { return true }); return err },
		"eviction": func(ID) error {
			small := open(t, dir, Options{MaxBytes: 100})
			put(t, small, testID(2), strings.Repeat("x", 100))
			return nil
		},
	} {
		put(t, c, testID(1), "in use by "+name)
		must(t, os.Chtimes(dir+"/"+testID(1).String(), time.Time{}, time.Unix(1, 0)))
		e, err := c.open(mustKind(t, c), testID(1)) // open notes no use
		must(t, err)
		must(t, remove(testID(1)))
		if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %s: %v", name, err)
		}
		wantContent(t, e, "in use by "+name)
	}
}

func mustKind(t *testing.T, c *Cache) *os.File {
	t.Helper()
	d, err := c.kind("test")
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// Names that are not names lead nowhere and make nothing.
func TestHostileNames(t *testing.T) {
	key := testID(1).Key
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	for _, id := range []ID{
		{}, {"", key}, {"test", ""}, {"..", key}, {".", key}, {"a/b", key}, {"/tmp", key}, {"Test", key}, {"te.st", key},
		{"test\x00", key}, {"tést", key}, {strings.Repeat("a", 33), key}, {"test", "../" + key[3:]},
		{"test", "sha256:" + key}, {"test", key[1:]}, {"test", key + "0"}, {"test", strings.Repeat("A", 64)},
		{"test", key[1:] + "g"}, {"test", key[1:] + "\n"}, {"test", key[1:] + "/"}, {"test", key + ".lock"},
	} {
		_, getErr := c.Get(id)
		_, putErr := c.Put(context.Background(), id, "", func(*os.File) error { t.Error("called"); return nil })
		for _, err := range []error{getErr, putErr, c.Remove(id)} {
			if err == nil || !strings.Contains(err.Error(), "is not the name of a cache entry") {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("there is %v (%v)", names, err)
	}
}

// What is not an entry any more counts as missing, is removed and can be made
// again; nothing that it leads to is touched.
func TestDamagedEntries(t *testing.T) {
	top := t.TempDir()
	dir, victim := top+"/cache", top+"/victim"
	must(t, os.WriteFile(victim, []byte("victim"), 0o600))
	var warned []error
	c := open(t, dir, Options{Warn: func(err error) { warned = append(warned, err) }})
	path := dir + "/" + testID(1).String()
	replace := func(with func() error) func() error {
		return func() error { return errors.Join(os.Remove(path), with()) }
	}
	for name, damage := range map[string]func() error{
		"it is cut short: empty":           func() error { return os.Truncate(path, 0) },
		"it is cut short: 1 byte":          func() error { return os.Truncate(path, 1) },
		"it is cut short: no footer":       func() error { return os.Truncate(path, 7) },
		"it is cut short: longer":          func() error { return appendTo(path, "x") },
		"its checksum is wrong: bit":       func() error { return flip(path, -30) },
		"its checksum is wrong: renamed":   func() error { put(t, c, testID(2), "2"); return os.Rename(dir+"/"+testID(2).String(), path) },
		"it is not a regular file: dir":    replace(func() error { return os.MkdirAll(path+"/a/b", 0o700) }),
		"it is not a regular file: FIFO":   replace(func() error { return unix.Mkfifo(path, 0o600) }),
		"too many levels of symbolic":      replace(func() error { return os.Symlink(victim, path) }),
		"no such device or address":        replace(func() error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) }),
		"someone else may have written it": func() error { return os.Chmod(path, 0o620) },
	} {
		put(t, c, testID(1), "content")
		must(t, damage())
		warned = nil
		if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		want, _, _ := strings.Cut(name, ":")
		if len(warned) != 1 || !strings.Contains(warned[0].Error(), want) {
			t.Errorf("%s: warned of %v", name, warned)
		}
		if got := list(t, dir); got != "" {
			t.Errorf("%s: there is %q", name, got)
		}
		put(t, c, testID(1), "content")
		must(t, damage())
		put(t, c, testID(1), "made again at once")
		must(t, c.Remove(testID(1)))
	}
	put(t, c, testID(1), "again")
	if b, err := os.ReadFile(victim); string(b) != "victim" {
		t.Errorf("the victim holds %q (%v)", b, err)
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// flip changes a bit of the byte at off, from the end if that is negative.
func flip(path string, off int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[(off+len(b))%len(b)] ^= 4
	return os.WriteFile(path, b, 0o600)
}

// Entries cut at any length count as missing.
func TestTruncatedAnywhere(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	for n := int64(0); ; n++ {
		e, err := c.Put(context.Background(), testID(1), "description", fill("some content"))
		must(t, err)
		must(t, e.Close())
		path := dir + "/" + testID(1).String()
		st, err := os.Stat(path)
		must(t, err)
		if n == st.Size() {
			return
		}
		must(t, os.Truncate(path, n))
		if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// Many users of one small cache have what they ask for, always.
func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir() + "/cache"
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			c, err := Open(dir, Options{MaxBytes: 200, Warn: func(err error) { t.Error(err) }})
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 60 {
				if err := use(c, i%7, worker); err != nil {
					t.Error(err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c := open(t, dir, Options{})
	if n, err := c.Size(); n > 200 || err != nil {
		t.Errorf("the cache has %d bytes (%v)", n, err)
	}
	if strings.Contains(list(t, dir), ".lock") || strings.Contains(list(t, dir), "/.") {
		t.Errorf("left over: %s", list(t, dir))
	}
}

// use has the entry n in one way or another.
func use(c *Cache, n, worker int) error {
	want := fmt.Sprintf("content %d", n)
	e, err := c.Get(testID(n))
	if errors.Is(err, fs.ErrNotExist) {
		e, err = c.Put(context.Background(), testID(n), want, fill(want))
	}
	if err != nil {
		return err
	}
	if got, err := io.ReadAll(e); string(got) != want || err != nil {
		return fmt.Errorf("entry %d holds %q: %w", n, got, err)
	}
	switch worker {
	case 0:
		_, err = c.List()
	case 1:
		_, err = c.Clean(usedBefore(1))
	case 2:
		if err = c.Remove(testID(n)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, e.Close())
}
