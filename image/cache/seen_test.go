package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// settle returns when what was changed last has been the same for so long that
// it may be noted, by the clock of the file system.
func settle(t *testing.T, path string) {
	t.Helper()
	var st, now unix.Stat_t
	must(t, unix.Stat(path, &st))
	clock := t.TempDir() + "/clock"
	for now.Ctim.Sec < st.Ctim.Sec+int64(settled/time.Second)+1 {
		time.Sleep(50 * time.Millisecond)
		must(t, os.WriteFile(clock, nil, 0o600))
		must(t, unix.Stat(clock, &now))
		must(t, os.Remove(clock))
	}
}

func makeHashed(t *testing.T, c *Cache, text string) {
	t.Helper()
	e, err := c.Make(context.Background(), testID(1), Content{Hashed: true, Write: fill(text)})
	must(t, err)
	wantContent(t, e, text)
}

// replace puts other bytes in place of those at the start of a file and restores
// all that its owner can: size and times, but not the time of change.
func replace(path, with string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(with), 0)
	return errors.Join(err, f.Close(), os.Chtimes(path, st.ModTime(), st.ModTime()))
}

// TestKnownDigest: a digest that is given is what the entry has to have.
func TestKnownDigest(t *testing.T) {
	c := open(t, t.TempDir()+"/cache", Options{})
	put := func(digest string) error {
		e, err := c.Make(context.Background(), testID(1), Content{Hashed: true, Digest: digest, Write: fill("content")})
		if err == nil {
			wantContent(t, e, "content")
		}
		return err
	}
	good := sha256.Sum256([]byte("content"))
	must(t, put("sha256:"+hex.EncodeToString(good[:])))
	e, err := c.Get(testID(1))
	must(t, err)
	wantContent(t, e, "content")
	must(t, c.Remove(testID(1)))
	must(t, put("sha256:"+strings.Repeat("0", 64)))
	if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an entry of another digest: %v", err)
	}
	for _, bad := range []string{"sha256:0", "sha512:" + strings.Repeat("0", 128), "x"} {
		if err := put(bad); err == nil || !strings.Contains(err.Error(), "is not a SHA-256 digest") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Whatever is put in place of an entry with a digest is never handed out: it is
// removed with one warning, and made again.
func TestPoisoned(t *testing.T) {
	top := t.TempDir()
	dir, victim := top+"/cache", top+"/victim"
	must(t, os.WriteFile(victim, []byte("evil content"), 0o600))
	path := dir + "/" + testID(1).String()
	var warned []error
	c := open(t, dir, Options{Warn: func(err error) { warned = append(warned, err) }})
	for name, damage := range map[string]func() error{
		"other bytes, size and times kept": func() error { return replace(path, "evil") },
		"cut short":                        func() error { return os.Truncate(path, 20) },
		"empty":                            func() error { return os.Truncate(path, 0) },
		"a directory":                      func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a link":                           func() error { return errors.Join(os.Remove(path), os.Symlink(victim, path)) },
	} {
		for _, noted := range []bool{false, true} {
			makeHashed(t, c, "good content")
			if noted {
				settle(t, path)
				makeHashed(t, c, "good content") // reads and notes it
				if b, err := os.ReadFile(path + seenSuffix); len(b) == 0 || err != nil {
					t.Fatalf("the note is %q (%v)", b, err)
				}
			}
			must(t, damage())
			warned = nil
			if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, noted %v: %v", name, noted, err)
			}
			if len(warned) != 1 || list(t, dir) != "" {
				t.Errorf("%s, noted %v: there is %q, warned of %v", name, noted, list(t, dir), warned)
			}
			makeHashed(t, c, "good content")
			must(t, damage())
			makeHashed(t, c, "made again at once")
			must(t, c.Remove(testID(1)))
			if len(warned) != 2 {
				t.Errorf("%s, noted %v: warned of %v", name, noted, warned)
			}
		}
	}
	if b, err := os.ReadFile(victim); string(b) != "evil content" {
		t.Errorf("the victim holds %q (%v)", b, err)
	}
}

// An entry is read once, and not again until the host is started or the file
// changes; the note keeps the time of use, and goes with the entry.
func TestSeen(t *testing.T) {
	dir := t.TempDir() + "/cache"
	path := dir + "/" + testID(1).String()
	note := path + seenSuffix
	c := open(t, dir, Options{})
	makeHashed(t, c, "content")
	kind := mustKind(t, c)
	isTrusted := func() bool { // without reading it: a context that has ended fails that
		e, err := c.open(kind, testID(1))
		must(t, err)
		defer e.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return c.trust(ctx, e) == nil
	}
	get := func() {
		t.Helper()
		e, err := c.Get(testID(1))
		must(t, err)
		wantContent(t, e, "content")
	}
	get()
	if isTrusted() {
		t.Error("one that was made a moment ago is trusted")
	}
	settle(t, path)
	get()
	if !isTrusted() {
		t.Error("it is read each time")
	}
	must(t, os.Chtimes(note, time.Unix(7, 0), time.Unix(7, 0)))
	l, err := c.List()
	must(t, err)
	created := l[0].Used
	get()
	if l, err = c.List(); err != nil || !l[0].Used.After(created) {
		t.Errorf("it was used at %v, made at %v (%v)", l[0].Used, created, err)
	}
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if now := time.Unix(st.Mtim.Unix()); !now.Equal(created) {
		t.Errorf("the entry itself was touched at %v", now)
	}
	text, err := os.ReadFile(note)
	must(t, err)
	must(t, os.WriteFile(note, []byte(strings.Repeat("x", maxSeen+1)), 0o600))
	if isTrusted() {
		t.Error("trusted for no reason")
	}
	get()
	if b, err := os.ReadFile(note); string(b) != string(text) || !isTrusted() {
		t.Errorf("a note that grew holds %q (%v)", b, err)
	}
	must(t, os.WriteFile(note, []byte("another-"+string(text[8:])), 0o600))
	if isTrusted() {
		t.Error("trusted for what was before the host started")
	}
	must(t, c.Remove(testID(1)))
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}

// Verify reads everything, whatever is noted, and ends with its context.
func TestVerify(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	makeHashed(t, c, strings.Repeat("long ", 1<<20))
	e, err := c.Get(testID(1))
	must(t, err)
	must(t, e.Verify(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Verify(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, errDamaged) {
		t.Errorf("cancelled: %v", err)
	}
	must(t, replace(dir+"/"+testID(1).String(), "evil"))
	wantError(t, e.Verify(t.Context()), "it holds sha256:", "")
	if _, err := c.lookUp(ctx, testID(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a Put that was cancelled: %v", err)
	}
	if _, err := os.Stat(dir + "/" + testID(1).String()); err != nil {
		t.Errorf("it was removed for that: %v", err)
	}
	must(t, e.Close())
	put(t, c, testID(2), "plain")
	e, err = c.Get(testID(2))
	must(t, err)
	if err := e.Verify(t.Context()); !errors.Is(err, ErrNoDigest) {
		t.Errorf("without a digest: %v", err)
	}
	must(t, e.Close())
}

// The last used stays, with a digest or without.
func TestEvictionBySeen(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{MaxBytes: 2200})
	makeHashed(t, c, strings.Repeat("h", 1000))
	put(t, c, testID(2), strings.Repeat("p", 1000))
	used(t, dir, testID(1), 1)
	used(t, dir, testID(2), 2)
	e, err := c.Get(testID(1))
	must(t, err)
	must(t, e.Close())
	put(t, c, testID(3), strings.Repeat("q", 1000))
	want := testID(1).String() + " " + testID(1).String() + seenSuffix + " " + testID(3).String()
	if got := list(t, dir); got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
}
