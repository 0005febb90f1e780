package remember

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/trust/merkle"
)

// childVar is the cache's directory, for a process that does nothing but use it.
const childVar = "SEALIFT_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child wants the data, and says whether it has read them.
func child(dir string) error {
	read := false
	t := &Trees{
		Open: func() (*cache.Cache, error) { return cache.Open(dir, cache.Options{}) },
		Warn: func(err error) { fmt.Println("warning:", err) },
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err == nil {
		return errors.New("the beginning is the end of the input")
	}
	s, err := t.Summary(context.Background(), wanted(data), func() (merkle.Summary, error) {
		read = true
		time.Sleep(20 * time.Millisecond) // for the others to meet it
		return summarize(data)
	})
	if err != nil {
		return err
	}
	fmt.Printf("read %t, matches %t\n", read, s.Root.Holds(s.Tree))
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func noise(seed byte) []byte {
	b := make([]byte, 3<<20+5)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

var data, otherData = noise(1), noise(2)

func summarize(data []byte) (merkle.Summary, error) {
	return merkle.Summarize(context.Background(), bytes.NewReader(data), int64(len(data)), func(int64) {})
}

func wanted(data []byte) merkle.Wanted {
	s, err := summarize(data)
	if err != nil {
		panic(err)
	}
	return merkle.Wanted{Digest: s.Digest, Size: int64(len(data))}
}

// user is somebody who has a cache.
type user struct {
	*testing.T
	dir   string
	opts  cache.Options
	err   error // of opening the cache
	warns []string
	reads int
}

func newUser(t *testing.T) *user {
	u := &user{T: t, dir: filepath.Join(t.TempDir(), "cache")}
	u.opts.Warn = u.warn
	return u
}

func (u *user) warn(err error) { u.warns = append(u.warns, err.Error()) }

// ask wants data and reads others if they are not known, and returns what becomes known.
func (u *user) ask(w merkle.Wanted, there []byte) (merkle.Summary, error) {
	t := &Trees{
		Open: func() (*cache.Cache, error) {
			if u.err != nil {
				return nil, u.err
			}
			return cache.Open(u.dir, u.opts)
		},
		Warn: u.warn,
	}
	return t.Summary(u.Context(), w, func() (merkle.Summary, error) { u.reads++; return summarize(there) })
}

// knows wants the data to be known, and to be read or not.
func (u *user) knows(read bool) {
	u.Helper()
	u.reads = 0
	want, err := summarize(data)
	must(u, err)
	s, err := u.ask(wanted(data), data)
	if err != nil || s.Digest != want.Digest || s.Root != want.Root || !bytes.Equal(s.Tree, want.Tree) {
		u.Errorf("%+v, %v", s.Root, err)
	}
	if u.reads > 1 || u.reads > 0 != read {
		u.Errorf("the data are read %d times, and should be: %t", u.reads, read)
	}
}

// warned wants so many warnings since the last call, the last of which is about something.
func (u *user) warned(n int, about string) {
	u.Helper()
	if len(u.warns) != n || n > 0 && !strings.Contains(u.warns[n-1], about) {
		u.Errorf("%d warnings, %q; want %d, of %q", len(u.warns), u.warns, n, about)
	}
	u.warns = nil
}

// entry is the path of the data's entry.
func (u *user) entry() string { return filepath.Join(u.dir, Kind, wanted(data).Digest) }

func TestRemember(t *testing.T) {
	u := newUser(t)
	u.knows(true)
	u.knows(false)
	u.warned(0, "")
	// A tree that is at hand is not read.
	w := wanted(data)
	s, err := summarize(data)
	must(t, err)
	w.Own = s.Root
	if got, err := u.ask(w, nil); err != nil || got.Root != s.Root || got.Tree != nil || u.reads != 0 {
		t.Errorf("%+v, %v; %d reads", got, err, u.reads)
	}
	w.Own.Top[0] ^= 1
	if got, err := u.ask(w, nil); err != nil || !bytes.Equal(got.Tree, s.Tree) || u.reads != 0 {
		t.Errorf("with another tree at hand: %v; %d reads", err, u.reads)
	}
	st, err := os.Stat(u.entry())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the entry's mode: %v, %v", st, err)
	}
}

// What is not what is wanted is not remembered, neither as that nor as itself.
func TestOtherData(t *testing.T) {
	u := newUser(t)
	s, err := u.ask(wanted(data), otherData)
	if err != nil || s.Digest != wanted(otherData).Digest || u.reads != 1 {
		t.Errorf("%s, %v; %d reads", s.Digest, err, u.reads)
	}
	u.warned(0, "")
	u.knows(true)
	u.reads = 0
	if _, err := u.ask(wanted(otherData), otherData); err != nil || u.reads != 1 {
		t.Errorf("%v; %d reads", err, u.reads)
	}
}

func TestReadFails(t *testing.T) {
	u := newUser(t)
	why := errors.New("a bad disk")
	for range 2 {
		_, err := (&Trees{
			Open: func() (*cache.Cache, error) { return cache.Open(u.dir, u.opts) },
			Warn: func(err error) { t.Error(err) },
		}).Summary(t.Context(), wanted(data), func() (merkle.Summary, error) { u.reads++; return merkle.Summary{}, why })
		if err != why {
			t.Error(err)
		}
	}
	if u.reads != 2 {
		t.Errorf("%d reads", u.reads)
	}
	u.knows(true)
}

// Without a cache that can be used, the data are read each time.
func TestNoCache(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(u *user)
		want string
	}{
		"unavailable": {func(u *user) { u.err = cache.ErrUnavailable }, cache.ErrUnavailable.Error()},
		"of all": {func(u *user) {
			must(u, errors.Join(os.Mkdir(u.dir, 0o700), os.Chmod(u.dir, 0o777)))
		}, "others may write to the cache"},
		"kind of all": {func(u *user) {
			kind := filepath.Join(u.dir, Kind)
			must(u, errors.Join(os.MkdirAll(kind, 0o700), os.Chmod(kind, 0o777)))
		}, "others may write to the cache"},
		"a file": {func(u *user) { must(u, os.WriteFile(u.dir, nil, 0o600)) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			c.set(u)
			for range 2 {
				u.knows(true)
				u.warned(1, c.want)
			}
			if _, err := u.ask(wanted(data), otherData); err != nil {
				t.Error(err)
			}
		})
	}
}

// What does not fit is not kept, and not read twice for that.
func TestNoRoom(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		u := newUser(t)
		u.dir = filepath.Join(apart.Tmpfs(t, "size=16k"), "cache")
		var cause error
		tr := &Trees{
			Open: func() (*cache.Cache, error) { return cache.Open(u.dir, cache.Options{}) },
			Warn: func(err error) { cause = err },
		}
		big := noise(3)
		for len(big) < 16<<20 {
			big = append(big, big...)
		}
		s, err := tr.Summary(t.Context(), wanted(big), func() (merkle.Summary, error) { u.reads++; return summarize(big) })
		if err != nil || !s.Root.Holds(s.Tree) || u.reads != 1 {
			t.Errorf("%v; %d reads", err, u.reads)
		}
		if _, ok := errors.AsType[*NotKeptError](cause); !ok || !errors.Is(cause, syscall.ENOSPC) || hint.Of(cause) == "" {
			t.Errorf("%v, hint %q", cause, hint.Of(cause))
		}
	})
}

// A cache of the site is root's or the user's own, or is not used.
func TestSite(t *testing.T) {
	site := newUser(t)
	site.knows(true)
	u := newUser(t)
	u.opts.Below = []string{site.dir}
	u.knows(false)
	u.warned(0, "")
	must(t, os.Chmod(site.dir, 0o777))
	u.knows(true)
	u.warned(1, "others may write to the cache")
	must(t, os.Chmod(site.dir, 0o700))
	must(t, os.RemoveAll(u.dir))
	must(t, flip(site.entry(), 100)) // which cannot be removed
	u.knows(true)
	u.warned(1, "is no good, and is made again")
	u.knows(false)
	must(t, flip(site.entry(), 100))
	site.knows(false)
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can give files away")
	}
	must(t, os.RemoveAll(u.dir))
	must(t, os.Chown(site.dir, 1501, -1))
	u.warns = nil
	u.knows(true)
	u.warned(1, "belongs to user 1501")
}
