package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

func usedBefore(second int64) func(Info) bool {
	return func(i Info) bool { return i.Used.Unix() < second }
}

// used sets the time of an entry's last use.
func used(t *testing.T, dir string, id ID, second int64) {
	t.Helper()
	must(t, os.Chtimes(dir+"/"+id.String(), time.Time{}, time.Unix(second, 0)))
}

func TestSurplus(t *testing.T) {
	items := []item{
		{testID(1), 10, time.Unix(30, 0)}, {testID(2), 20, time.Unix(10, 0)},
		{testID(3), 30, time.Unix(20, 0)}, {testID(4), 40, time.Unix(20, 0)},
	}
	for _, c := range []struct {
		limit int64
		keep  int
		want  []int
	}{
		{100, 1, nil},
		{99, 1, []int{2}},
		{80, 1, []int{2}},
		{79, 1, []int{2, 3}},
		{49, 1, []int{2, 3, 4}},
		{0, 1, []int{2, 3, 4}},
		{0, 2, []int{3, 4, 1}},
		{99, 2, []int{3}},
		{0, 9, []int{2, 3, 4, 1}},
	} {
		var want, got []ID
		for _, n := range c.want {
			want = append(want, testID(n))
		}
		for _, i := range surplus(items, c.limit, testID(c.keep)) {
			got = append(got, i.id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d, keep %d: %v, want %v", c.limit, c.keep, got, want)
		}
	}
	if total(items) != 100 || items[0].id != testID(1) || len(surplus(nil, 0, ID{})) != 0 {
		t.Error("the items were changed")
	}
}

// The least recently used entries leave, but never the one just put.
func TestEviction(t *testing.T) {
	dir := t.TempDir() + "/cache"
	text := strings.Repeat("x", 1000)
	unlimited := open(t, dir, Options{})
	for n := 1; n <= 4; n++ {
		put(t, unlimited, testID(n), text)
		used(t, dir, testID(n), int64(n))
	}
	c := open(t, dir, Options{MaxBytes: 3500})
	e, err := c.Get(testID(1)) // now it is the last
	must(t, err)
	wantContent(t, e, text)
	put(t, c, ID{"other", testID(5).Key}, text)
	want := "other/" + testID(5).Key + " " + testID(1).String() + " " + testID(4).String()
	if got := list(t, dir); got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	if n, err := c.Size(); n < 3000 || n > 3500 || err != nil {
		t.Errorf("it has %d bytes (%v)", n, err)
	}
	put(t, c, testID(6), strings.Repeat(text, 10))
	if got := list(t, dir); got != testID(6).String() {
		t.Errorf("beside one that is too large there is %s", got)
	}
}

// An entry that cannot be evicted is no failure of what was put.
func TestEvictionFails(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir() + "/cache"
		var warned error
		c := open(t, dir, Options{MaxBytes: 1, Warn: func(err error) { warned = errors.Join(warned, err) }})
		put(t, c, testID(1), "mounted over")
		path := dir + "/" + testID(1).String()
		must(t, os.Remove(path))
		must(t, os.Mkdir(path, 0o700))
		must(t, unix.Mount("tmpfs", path, "tmpfs", 0, "size=4k"))
		put(t, c, testID(2), "put")
		if warned == nil || !strings.Contains(warned.Error(), "is a mount point") {
			t.Errorf("warned of %v", warned)
		}
		must(t, unix.Unmount(path, 0))
	})
}

func TestListAndClean(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	if l, err := c.List(); len(l) != 0 || err != nil {
		t.Errorf("an empty cache lists %v (%v)", l, err)
	}
	for n, id := range []ID{testID(2), testID(1), {"blob", testID(1).Key}, testID(3)} {
		e, err := c.Put(context.Background(), id, "entry of "+id.Kind, fill("12345"))
		must(t, err)
		must(t, e.Close())
		used(t, dir, id, int64(100+n))
	}
	must(t, os.Truncate(dir+"/"+testID(3).String(), 3)) // damaged
	must(t, os.WriteFile(dir+"/README", []byte("not of this package"), 0o600))
	must(t, os.WriteFile(dir+"/notes", []byte("nor this"), 0o600))
	must(t, os.Symlink("/etc", dir+"/etc"))
	must(t, os.Mkdir(dir+"/Not a kind", 0o700))
	must(t, os.WriteFile(dir+"/test/note", []byte("not an entry"), 0o600))
	l, err := c.List()
	must(t, err)
	var got []string
	for _, i := range l {
		got = append(got, i.String()[:6])
		if i.Size != 5 || i.Description != "entry of "+i.Kind || i.Created.Year() < 2020 {
			t.Errorf("%+v", i)
		}
	}
	if want := []string{"blob/0", "test/0", "test/0"}; !slices.Equal(got, want) || l[1].ID != testID(1) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if l[0].Used.Unix() != 102 || l[1].Used.Unix() != 101 {
		t.Errorf("List is a use: %v", l)
	}
	freed, err := c.Clean(usedBefore(102))
	if freed.Entries != 2 || freed.Bytes < 10 || err != nil {
		t.Errorf("freed %+v (%v)", freed, err)
	}
	if got, want := list(t, dir), "blob/"+testID(1).Key+" test/note"; got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
	must(t, c.Remove(ID{"blob", testID(1).Key}))
	for _, id := range []ID{{"blob", testID(1).Key}, {"never", testID(1).Key}} {
		if err := c.Remove(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove of nothing: %v", err)
		}
	}
}

// Clean removes what dead processes have left, and nothing of those that live.
func TestCleanSweeps(t *testing.T) {
	dir := t.TempDir() + "/cache"
	c := open(t, dir, Options{})
	put(t, c, testID(1), "kept")
	release, busy := c.claims.Take(mustKind(t, c), testID(2).Key)
	if busy {
		t.Fatal("no lock")
	}
	old, young := dir+"/test/."+testID(3).Key+".sealift-1-a", dir+"/test/."+testID(3).Key+".sealift-2-b"
	for _, path := range []string{old, young, dir + "/test/" + testID(4).Key + ".lock"} {
		must(t, os.WriteFile(path, []byte("left"), 0o600))
	}
	must(t, os.Chtimes(old, time.Time{}, time.Unix(1, 0)))
	freed, err := c.Clean(usedBefore(1))
	if freed != (Freed{}) || err != nil {
		t.Errorf("freed %+v (%v)", freed, err)
	}
	want := "test/." + testID(3).Key + ".sealift-2-b " + testID(1).String() + " " + testID(2).String() + ".lock"
	if got := list(t, dir); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
	release()
	if got := list(t, dir); strings.Contains(got, ".lock") {
		t.Errorf("after the release there is %q", got)
	}
}
