package fromdef

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/cache"
)

// cached is a site with a cache, whose scripts are counted.
type cached struct {
	*site
	dir string
	// ran are the scripts that ran, steps those that were in the cache.
	ran, steps []string
}

func newCached(t *testing.T) *cached {
	c := &cached{site: newSite(t), dir: t.TempDir()}
	c.openCache(t)
	c.env.Progress = func(e build.Event) {
		if e.State == build.Cached {
			c.steps = append(c.steps, e.Step.Name())
		}
	}
	c.env.Run = func(_ context.Context, x build.Exec) error {
		if x.Mount != "" {
			c.ran = append(c.ran, "setup")
			write(t, x.Upper+"/from/setup", x.Args[0])
			return nil
		}
		script, err := os.ReadFile(x.Upper + "/" + build.ScriptName)
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(script))
		c.ran = append(c.ran, text)
		if text == "fail" {
			return errors.New("exit status 1")
		}
		write(t, x.Upper+"/made/"+strings.ReplaceAll(text, " ", "-"), text)
		return nil
	}
	return c
}

func (c *cached) openCache(t *testing.T) {
	t.Helper()
	store, err := cache.Open(c.dir, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	c.env.Cache = store
}

// try builds and returns what ran and what was in the cache.
func (c *cached) try(t *testing.T, text string, o build.Options) string {
	t.Helper()
	c.ran, c.steps = nil, nil
	o.Force = true
	if err := c.build(t, text, o); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("ran %q cached %q", c.ran, c.steps)
}

func (c *cached) image(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(c.path("out.sif"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatDidNotChangeIsNotMadeAgain(t *testing.T) {
	s := newCached(t)
	write(t, s.path("host"), "host")
	const text = fromArchive + "Stage: one\n%files\n host\n host /second\n%post\n make\n%environment\n export A=1\n" +
		fromArchive + "%files from one\n /made /copied\n%post\n last\n"
	for _, c := range []struct {
		name   string
		change func()
		text   string
		o      build.Options
		want   string
	}{
		{"first", nil, text, build.Options{}, `ran ["make" "last"] cached ["base"]`},
		{"again", nil, text, build.Options{}, `ran [] cached ["one:base" "one:files" "one:files" "one:post" "base" "files" "post"]`},
		{"metadata", nil, strings.Replace(text, "A=1", "A=2", 1), build.Options{},
			`ran [] cached ["one:base" "one:files" "one:files" "one:post" "base" "files" "post"]`},
		{"last script", nil, strings.Replace(text, " last\n", " other\n", 1), build.Options{},
			`ran ["other"] cached ["one:base" "one:files" "one:files" "one:post" "base" "files"]`},
		{"first script with the same outcome for the last", nil, strings.Replace(text, " make\n", "  make\n", 1), build.Options{},
			`ran ["make"] cached ["one:base" "one:files" "one:files" "base" "files" "post"]`},
		{"first script", nil, strings.Replace(text, " make\n", " do\n", 1), build.Options{},
			`ran ["do" "last"] cached ["one:base" "one:files" "one:files" "base"]`},
		{"no cache", nil, text, build.Options{NoCache: true}, `ran ["make" "last"] cached []`},
		{"rebuild a step", nil, text, build.Options{RebuildFrom: "one:post"}, `ran ["make" "last"] cached ["one:base" "one:files" "one:files"]`},
		{"rebuild a number", nil, text, build.Options{RebuildFrom: "9"}, `ran ["last"] cached ["one:base" "one:files" "one:files" "one:post" "base" "files"]`},
		{"other blocks", nil, text, build.Options{BlockSize: 64 << 10}, `ran ["make" "last"] cached ["base"]`},
		{"other time of a file", func() {
			if err := os.Chtimes(s.path("host"), time.Time{}, time.Unix(5, 0)); err != nil {
				t.Fatal(err)
			}
		}, text, build.Options{}, `ran [] cached ["one:base" "one:files" "one:files" "one:post" "base" "files" "post"]`},
		{"other file", func() { write(t, s.path("host"), "HOST") }, text, build.Options{},
			`ran ["make"] cached ["one:base" "base" "files" "post"]`},
	} {
		if c.change != nil {
			c.change()
		}
		if got := s.try(t, c.text, c.o); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if f := s.open(t, "out.sif"); read(t, f, "copied/make") != "make" || read(t, f, "made/last") != "last" {
		t.Error("files are missing")
	}
}

// TestTheCacheDoesNotShow: an image is the same whatever of it was in the
// cache.
func TestTheCacheDoesNotShow(t *testing.T) {
	s := newCached(t)
	write(t, s.path("host"), strings.Repeat("host", 100_000))
	for _, text := range []string{
		fromArchive + "%files\n host\n host /second\n%setup\n x\n%post\n make\n%environment\n export A=1\n",
		fromArchive + "%files\n" + strings.Repeat(" host /a/\n host /b/\n", maxStack) + "%post\n make\n",
		fromArchive + "%labels\n A b\n",
	} {
		var images [][]byte
		o := build.Options{Reproducible: true}
		store := s.env.Cache
		s.env.Cache = nil
		s.try(t, text, o)
		images = append(images, s.image(t))
		s.env.Cache = store
		for range 2 {
			s.try(t, text, o)
			images = append(images, s.image(t))
		}
		if !bytes.Equal(images[0], images[1]) || !bytes.Equal(images[0], images[2]) {
			t.Errorf("images differ: %q", text)
		}
		if strings.Contains(text, "post") && (slices.Contains(s.ran, "make") || !slices.Contains(s.steps, "post")) {
			t.Errorf("ran %q, cached %q", s.ran, s.steps)
		}
	}
}

// maxStack is more lines of %files than a stage has layers.
const maxStack = 20

// TestSetupCountsByItsOutcome: it runs in every build, and the script after it
// only where it left something else.
func TestSetupCountsByItsOutcome(t *testing.T) {
	s := newCached(t)
	const text = fromArchive + "%setup\n one\n%post\n make\n"
	for _, c := range []struct{ text, want string }{
		{text, `ran ["setup" "make"] cached []`},
		{text, `ran ["setup"] cached ["base" "post"]`},
		{strings.Replace(text, "one", "two", 1), `ran ["setup"] cached ["base" "post"]`},
		{strings.Replace(text, "%setup", "%setup -c /bin/other", 1), `ran ["setup" "make"] cached ["base"]`},
	} {
		if got := s.try(t, c.text, build.Options{}); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestLocalImagesAreKnownByTheirContent: a copy of an image is as good.
func TestLocalImagesAreKnownByTheirContent(t *testing.T) {
	s := newCached(t)
	if err := s.build(t, fromArchive, build.Options{Output: "base.sif"}); err != nil {
		t.Fatal(err)
	}
	if err := s.build(t, fromArchive, build.Options{Output: "base.dir", Sandbox: true}); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string { return "Bootstrap: localimage\nFrom: " + name + "\n%post\n make\n" }
	sif, err := os.ReadFile(s.path("base.sif"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.path("copy.sif"), string(sif))
	for _, c := range []struct{ text, want string }{
		{text("base.sif"), `ran ["make"] cached []`},
		{text("base.sif"), `ran [] cached ["base" "post"]`},
		{text("copy.sif"), `ran [] cached ["base" "post"]`},
		{text("base.dir"), `ran ["make"] cached []`},
		{text("base.dir"), `ran [] cached ["base" "post"]`},
	} {
		if got := s.try(t, c.text, build.Options{}); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	write(t, s.path("base.dir/etc/passwd"), "other")
	if got := s.try(t, text("base.dir"), build.Options{}); got != `ran ["make"] cached []` {
		t.Error(got)
	}
}

// TestFailuresAreNotKept: what fails runs again.
func TestFailuresAreNotKept(t *testing.T) {
	s := newCached(t)
	for range 2 {
		err := s.build(t, fromArchive+"%post\n fail\n", build.Options{})
		if err == nil || err.Error() != "stage 1: %post of line 3: exit status 1" {
			t.Errorf("error %v", err)
		}
	}
	if len(s.ran) != 2 || s.names(t) != "base.tar" {
		t.Errorf("ran %q, left %s", s.ran, s.names(t))
	}
}

// TestDamagedLayersAreMadeAgain: a cache never makes a build fail.
func TestDamagedLayersAreMadeAgain(t *testing.T) {
	s := newCached(t)
	const text = fromArchive + "%post\n make\n"
	s.try(t, text, build.Options{})
	layers, err := filepath.Glob(s.dir + "/layer/*")
	if err != nil || len(layers) != 2 {
		t.Fatalf("%q, %v", layers, err)
	}
	for _, name := range layers {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("damage"), 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if got := s.try(t, text, build.Options{}); !strings.HasPrefix(got, `ran ["make"]`) {
		t.Error(got)
	}
	if got := s.try(t, text, build.Options{}); got != `ran [] cached ["base" "post"]` {
		t.Error(got)
	}
}

// TestWithoutRoomInTheCache: the build goes on, and runs no script twice.
func TestWithoutRoomInTheCache(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		s := newCached(t)
		s.dir = apart.Tmpfs(t, "size=64k,mode=0700")
		s.openCache(t)
		run := s.env.Run
		s.env.Run = func(ctx context.Context, x build.Exec) error {
			noise := make([]byte, 1<<20)
			if _, err := rand.Read(noise); err != nil {
				return err
			}
			write(t, x.Upper+"/noise", string(noise))
			return run(ctx, x)
		}
		if got := s.try(t, fromArchive+"%post\n make\n", build.Options{}); got != `ran ["make"] cached []` {
			t.Error(got)
		}
		if !slices.ContainsFunc(s.log, func(l string) bool {
			return strings.HasPrefix(l, "warning: this step is not kept for other builds: ") && strings.Contains(l, "no space left on device")
		}) {
			t.Errorf("told %q", s.log)
		}
		if f := s.open(t, "out.sif"); read(t, f, "made/make") != "make" || len(read(t, f, "noise")) != 1<<20 {
			t.Error("files are missing")
		}
	})
}

func TestRebuildFromNothing(t *testing.T) {
	s := newCached(t)
	err := s.build(t, fromArchive+"%post\n make\n", build.Options{RebuildFrom: "psot"})
	if err == nil || err.Error() != `no step "psot" to rebuild from` ||
		hint.Of(err) != "give a number from 1 to 6, or one of create, base, post, metadata, image, commit" {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}
