package endpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// written is what Apptainer 1.5 writes.
const written = `Active: SylabsCloud
Remotes:
    DefaultRemote:
        URI: cloud.apptainer.org
        System: true
        Exclusive: false
    SylabsCloud:
        URI: cloud.sylabs.io
        Token: secret
        System: false
        Exclusive: false
        Keyservers:
            - URI: https://keys.example
              Skip: false
              External: true
              Insecure: false
Credentials:
    - URI: docker://registry.example
      Insecure: false
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t *testing.T, c *Config) string {
	t.Helper()
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNothingIsLost: what other programs keep in the file stays.
func TestNothingIsLost(t *testing.T) {
	for _, text := range []string{written, strings.Replace(written, "        Token:", "        New: [1, 2]\n        Token:", 1) + "Newer: {a: b}\n"} {
		c := parse(t, text)
		again := parse(t, encode(t, c))
		if got, want := encode(t, again), encode(t, c); got != want {
			t.Errorf("%s instead of\n%s", got, want)
		}
		for _, part := range []string{"Token: secret", "External: true", "URI: docker://registry.example"} {
			if !strings.Contains(encode(t, again), part) {
				t.Errorf("%q is lost", part)
			}
		}
		if strings.Contains(text, "Newer") && (!strings.Contains(encode(t, again), "Newer: {a: b}") || !strings.Contains(encode(t, again), "New: [1, 2]")) {
			t.Errorf("what is new is lost: %s", encode(t, again))
		}
	}
	if got := encode(t, parse(t, written)); got != written {
		t.Errorf("%s", got)
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"Remotes: 5", "Remotes:\n  a:\n", "Active: [", "- 1", "Remotes:\n  a: {System: maybe}",
		"Remotes:\n  a: {Keyservers: [null]}", "Credentials: [~]"} {
		if c, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, c)
		}
	}
	if c := parse(t, ""); len(c.Remotes) != 0 || c.Active != "" {
		t.Errorf("%+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(written))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		c.Merge(Default())
		again, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%v in\n%s", err, again)
		}
	})
}

func TestMerge(t *testing.T) {
	site := parse(t, "Active: A\nRemotes:\n  A: {URI: a.example, System: true}\n  B: {URI: b.example, System: true}\n")
	user := parse(t, "Remotes:\n  A: {URI: mine.example}\n  B: {URI: old.example, System: true, Token: secret}\n")
	if both := user.Merge(site); fmt.Sprint(both) != "[A]" || user.Active != "A" {
		t.Errorf("%v, active %s", both, user.Active)
	}
	if a, b := user.Remotes["A"], user.Remotes["B"]; a.URI != "mine.example" || b.URI != "b.example" || b.Token != "secret" {
		t.Errorf("%+v, %+v", a, b)
	}
	site.Remotes["B"].Exclusive = true
	if user.Merge(site); user.Active != "B" {
		t.Errorf("active %s", user.Active)
	}
	if err := user.Use("A", false, false); err == nil || !strings.Contains(err.Error(), `no remote be used but "B"`) {
		t.Errorf("error %v", err)
	}
	if err := user.Use("B", false, false); err != nil || !user.Remotes["B"].Exclusive {
		t.Errorf("error %v", err)
	}
}

func TestChanges(t *testing.T) {
	c := Default()
	for _, add := range [][2]string{{"A", "a.example"}, {"B", "https://b.example:8443/x/"}, {"C", "http://c.example"}} {
		if err := c.Add(add[0], add[1], add[0] == "C", false); err != nil {
			t.Error(err)
		}
	}
	if b, cc := c.Remotes["B"].URL(), c.Remotes["C"].URL(); b != "https://b.example:8443/x" || cc != "http://c.example" {
		t.Errorf("%s, %s", b, cc)
	}
	if err := c.Use("A", false, false); err != nil || c.Active != "A" {
		t.Error(err)
	}
	if r, err := c.Get(""); err != nil || r.URI != "a.example" {
		t.Errorf("%v, %v", r, err)
	}
	for _, e := range []struct {
		want string
		err  error
	}{
		{"already", c.Add("A", "x", false, false)},
		{"is empty", c.Add(" ", "x", false, false)},
		{"not the address", c.Add("D", "", false, false)},
		{"not the address", c.Add("D", "ftp://x", false, false)},
		{"not the address", c.Add("D", "https://u:secret@x", false, false)},
		{"no remote", c.Use("D", false, false)},
		{"is the site's", c.Remove(DefaultName, false)},
		{"no remote", c.Remove("D", false)},
	} {
		if e.err == nil || hint.Of(e.err) == "" || strings.Contains(e.err.Error(), "secret") || !strings.Contains(e.err.Error(), e.want) {
			t.Errorf("%s: %v", e.want, e.err)
		}
	}
	if err := c.Remove("A", false); err != nil || c.Active != "" {
		t.Errorf("%v, active %s", err, c.Active)
	}
	if _, err := c.Get(""); err == nil || !strings.Contains(hint.Of(err), "B, C, DefaultRemote") {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(c.Use("B", true, true), c.Use("C", true, true)); err != nil || c.Remotes["B"].Exclusive || !c.Remotes["C"].Exclusive {
		t.Errorf("%v, %+v", err, c.Remotes)
	}
	if err := c.Remove(DefaultName, true); err != nil {
		t.Error(err)
	}
}

// TestUpdate: the file is private, appears whole, and no change of several at
// once is lost.
func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new/remote.yaml")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := Update(t.Context(), path, 0o600, func(c *Config) error { return c.Add(fmt.Sprint("r", n), "h", false, false) }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	c, err := Read(path)
	if err != nil || len(c.Remotes) != 20 {
		t.Errorf("%d remotes, %v", len(c.Remotes), err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	before, _ := os.ReadFile(path)
	if err := Update(t.Context(), path, 0o600, func(*Config) error { return errors.New("no") }); err == nil || err.Error() != "no" {
		t.Errorf("error %v", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("a change that failed was written")
	}
}

// TestLink: a link to the file stays one.
func TestLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "remote.yaml")
	if err := errors.Join(os.WriteFile(target, []byte(written), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := Update(t.Context(), link, 0o600, func(c *Config) error { return c.Remove("SylabsCloud", false) }); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(link); err != nil || got != target {
		t.Errorf("%s, %v", got, err)
	}
	if c, err := Read(target); err != nil || len(c.Remotes) != 1 {
		t.Errorf("%v, %v", c, err)
	}
}

func TestReadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "remote.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a directory is read")
	}
}
