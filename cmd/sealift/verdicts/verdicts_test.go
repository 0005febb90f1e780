package verdicts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A verdict counts from when it was made until its end, and no clock that is wrong makes it longer.
func TestTimes(t *testing.T) {
	now := time.Now()
	v := Verdict{From: now, Until: now.Add(Lifetime)}
	for after, want := range map[time.Duration]bool{
		-time.Second: false, 0: true, time.Hour: true, Lifetime: true, Lifetime + 1: false, 400 * 24 * time.Hour: false,
	} {
		if got := v.holds(now.Add(after)); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
	if (&Verdict{}).holds(now) {
		t.Error("one without times holds")
	}
}

// What is odd about a file is an error, lest what was looked at be less than what is read.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if f, err := Look(path); err != nil || f != (File{Path: path}) {
		t.Errorf("a missing file: %+v, %v", f, err)
	}
	must(t, os.WriteFile(path, []byte("x"), 0o600))
	first, err := Look(path)
	if err != nil || first.Digest != "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" || first.Target != first.Name {
		t.Errorf("%+v, %v", first, err)
	}
	must(t, os.Symlink("file", path+".link"))
	if f, err := Look(path + ".link"); err != nil || f.Digest != first.Digest || f.Target != first.Target || f.Name == first.Name {
		t.Errorf("by a link: %+v, %v", f, err)
	}
	must(t, os.Symlink("nowhere", path+".none"))
	for name, path := range map[string]string{"dangling": path + ".none", "below a file": path + "/x", "directory": dir} {
		if f, err := Look(path); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	must(t, syscall.Mkfifo(path+".fifo", 0o600))
	writer, err := os.OpenFile(path+".fifo", os.O_RDWR, 0) // who never says anything
	must(t, err)
	defer writer.Close()
	if f, err := Look(path + ".fifo"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %+v, %v", f, err)
	}
	must(t, os.Truncate(path, maxFile+1))
	if _, err := Look(path); err == nil || !strings.Contains(err.Error(), "has more than 4194304 bytes") {
		t.Errorf("a large file: %v", err)
	}
}

// An entry that is no verdict is none, and a new one takes its place; as many starts at once as
// there may be keep one.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	p := &ui.Process{Environ: []string{"SEALIFT_CACHEDIR=" + dir}}
	store, err := caches.Find(p, func() {})
	must(t, err)
	defer store.Close()
	c := Case{Place: "/a.sif"}
	for _, text := range []string{"", "{", `{"From": 1}`, `{"Of": "another"}`, strings.Repeat(" ", maxVerdict+1)} {
		if err := store.Remove(c.id()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		e, err := store.Make(t.Context(), c.id(), cache.Content{Write: func(f *os.File) error { _, err := f.WriteString(text); return err }})
		must(t, err)
		must(t, e.Close())
		if v, err := recall(store, c); err == nil {
			t.Errorf("%.20q is %+v", text, v)
		}
		ended := make(chan error)
		const many = 8
		v := Verdict{From: time.Now(), Until: time.Now().Add(time.Hour)}
		for range many {
			go func() { ended <- Keep(t.Context(), p, c, v) }()
		}
		for range many {
			if err := <-ended; err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		got, err := recall(store, c)
		if err != nil || !got.Until.Equal(v.Until) {
			t.Errorf("%.20q: %+v, %v", text, got, err)
		}
		again := Verdict{From: v.From.Add(time.Minute), Until: v.Until.Add(time.Hour)}
		must(t, Keep(t.Context(), p, c, again))
		if got, err = recall(store, c); err != nil || !got.Until.Equal(v.Until) {
			t.Errorf("one that holds is replaced: %+v, %v", got, err)
		}
		again.From, again.Until = v.Until.Add(time.Hour), v.Until.Add(2*time.Hour)
		must(t, Keep(t.Context(), p, c, again))
		if got, err = recall(store, c); err != nil || !got.Until.Equal(again.Until) {
			t.Errorf("one of yesterday is not replaced: %+v, %v", got, err)
		}
	}
	// One place has one entry, whatever else becomes otherwise.
	c.Version = "another"
	if v, err := recall(store, c); err != errUnknown {
		t.Errorf("of another version: %+v, %v", v, err)
	}
	v := Verdict{From: time.Now(), Until: time.Now().Add(time.Hour)}
	must(t, Keep(t.Context(), p, c, v))
	if list, err := store.List(); err != nil || len(list) != 1 || !strings.HasSuffix(list[0].Description, " of /a.sif") {
		t.Errorf("there are %+v; %v", list, err)
	}
	gone := Verdict{From: time.Now(), Until: time.Now().Add(time.Hour), Files: []File{{Path: dir + "/none", Digest: "0"}}}
	c.Place = "/b.sif"
	must(t, Keep(t.Context(), p, c, gone))
	if v, err := recall(store, c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one whose file has changed is kept: %+v, %v", v, err)
	}
}

// Where a verdict is, one is likely; and where none is needed.
func TestLikely(t *testing.T) {
	dir := t.TempDir()
	p := &ui.Process{Environ: []string{"SEALIFT_CACHEDIR=" + dir, "SEALIFT_CONFIGDIR=" + dir + "/conf"}, Cwd: dir}
	likely := func(path string, want bool) {
		t.Helper()
		if got := Likely(p, path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	must(t, errors.Join(os.Chmod(dir, 0o700), os.Mkdir(dir+"/conf", 0o700), os.WriteFile(dir+"/a.sif", nil, 0o600), os.Symlink("a.sif", dir+"/b.sif")))
	likely("a.sif", true)
	must(t, os.WriteFile(dir+"/conf/trust.toml", nil, 0o600))
	likely("a.sif", false)
	g := Grounds{User: os.Getuid()}
	v := Verdict{From: time.Now(), Until: time.Now().Add(time.Hour)}
	must(t, Keep(t.Context(), p, Case{Grounds: g, Place: rulefiles.Resolve(dir + "/a.sif")}, v))
	for path, want := range map[string]bool{"a.sif": true, dir + "/b.sif": true, "c.sif": false, "/etc/passwd": false} {
		likely(path, want)
	}
	must(t, Keep(t.Context(), p, g.Elsewhere(), v))
	likely("c.sif", true)
	p.Environ = append(p.Environ, "SEALIFT_DISABLE_CACHE=true")
	likely("a.sif", false)
}

// A verdict about what is elsewhere is not about a path, nor about what is below.
func TestElsewhere(t *testing.T) {
	v := Verdict{Paths: []string{"/a/b", "/c/", "/d/e.sif"}}
	for place, want := range map[string]bool{
		"/a": true, "/a/b": false, "/a/b/x.sif": false, "/a/bx": true, "/c/x": false, "/cx": true, "/d/e.sif": false, "/d/f.sif": true,
	} {
		if got := v.Elsewhere(place); got != want {
			t.Errorf("%s: %v, want %v", place, got, want)
		}
	}
	if (&Verdict{Paths: []string{"/"}}).Elsewhere("/a") || !(&Verdict{}).Elsewhere("/a") {
		t.Error("of all, or none")
	}
}
