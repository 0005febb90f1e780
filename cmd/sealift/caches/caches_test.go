package caches

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

func TestDir(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"HOME=/home/u"}, "/home/u/.cache/sealift"},
		{[]string{"HOME=/home/u", "XDG_CACHE_HOME=/x"}, "/x/sealift"},
		{[]string{"HOME=/home/u", "XDG_CACHE_HOME=relative"}, "/home/u/.cache/sealift"},
		{[]string{"XDG_CACHE_HOME=/x", "SINGULARITY_CACHEDIR=/s"}, "/s/sealift"},
		{[]string{"SINGULARITY_CACHEDIR=/s", "APPTAINER_CACHEDIR=/a"}, "/a/sealift"},
		{[]string{"APPTAINER_CACHEDIR=/a", "SEALIFT_CACHEDIR=/own/"}, "/own"},
	} {
		got, err := Dir(&ui.Process{Environ: c.environ})
		if err != nil || got != c.want {
			t.Errorf("%q: %s, %v; want %s", c.environ, got, err, c.want)
		}
	}
	if _, err := Dir(&ui.Process{}); err == nil || !strings.Contains(hint.Of(err), "SEALIFT_CACHEDIR") {
		t.Errorf("error %v", err)
	}
}

// process is one with a cache in dir, and what it says.
func process(dir string) (p *ui.Process, out, log *bytes.Buffer) {
	out, log = &bytes.Buffer{}, &bytes.Buffer{}
	return &ui.Process{Terminal: ui.Terminal{Out: out, Err: log}, Environ: []string{"SEALIFT_CACHEDIR=" + dir}}, out, log
}

func TestOpenGoesOnWithout(t *testing.T) {
	p, _, log := process("/dev/null/cache")
	if c, err := Open(p); c != nil || err != nil || !strings.Contains(log.String(), "warning: nothing is kept for other builds") {
		t.Errorf("%v, %v: %s", c, err, log)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	p, _, _ = process(dir)
	if _, err := Open(p); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("error %v", err)
	}
}

func TestLimit(t *testing.T) {
	dir := t.TempDir()
	if n := free(dir + "/not/yet"); n < 1<<20 {
		t.Errorf("%d bytes are free", n)
	}
	for _, c := range []struct {
		text string
		free int64
		want int64
	}{
		{"", 1000, 250}, {"", -1, 0}, {"", 0, 1}, {"10%", 1000, 100}, {"0.5%", 1000, 5}, {"100%", 1000, 1000},
		{"20G", 1000, 20 << 30}, {"1500", -1, 1500}, {"0", 1000, 0},
	} {
		if got, err := limit(c.text, c.free); got != c.want || err != nil {
			t.Errorf("%q of %d is %d (%v), want %d", c.text, c.free, got, err, c.want)
		}
	}
	for _, text := range []string{"much", "-1", "0%", "101%", "-5%", "%", "NaN%", "1e999%", "10 %x"} {
		_, err := limit(text, 1000)
		if err == nil || !strings.Contains(err.Error(), "SEALIFT_CACHE_MAX_SIZE="+text) || !strings.Contains(hint.Of(err), "a share of the free space such as 10%,") {
			t.Errorf("%q: %v, hint %q", text, err, hint.Of(err))
		}
		p, _, _ := process(dir)
		p.Environ = append(p.Environ, "SEALIFT_CACHE_MAX_SIZE="+text)
		if _, err := Open(p); err == nil {
			t.Errorf("%q opens a cache", text)
		}
	}
}

func TestBelow(t *testing.T) {
	for sites, want := range map[string]string{"/a": "/a", "/a:/b/": "/a /b/", ":/a:": "/a", "/own/": "", "/own:/a": "/a"} {
		p := &ui.Process{Environ: []string{"SEALIFT_SITE_CACHEDIR=" + sites}}
		if got := strings.Join(below(p, "/own"), " "); got != want {
			t.Errorf("%s: %q, want %q", sites, got, want)
		}
	}
	if got := below(&ui.Process{}, siteDir); len(got) > 0 {
		t.Errorf("the site's is below itself: %q", got)
	}
}

func TestTypes(t *testing.T) {
	entries := []cache.Info{
		{ID: cache.ID{Kind: "sif"}, Description: "docker://alpine"}, {ID: cache.ID{Kind: "file"}, Description: "library://a/b/c"},
		{ID: cache.ID{Kind: "sif"}, Description: "oras://host/x"}, {ID: cache.ID{Kind: "sif"}, Description: "https://host/x.sif"},
		{ID: cache.ID{Kind: "digest"}, Description: "digest of x"}, {ID: cache.ID{Kind: "document"}}, {ID: cache.ID{Kind: "layer"}, Description: "docker://x"},
	}
	for types, want := range map[string]string{
		"": "0123456", "all": "0123456", "oci-tmp": "0", "oci": "0", "library": "1", "oras": "2", "net": "3", "shub": "", "ipfs": "",
		"blob": "5", "document": "5", "sif": "023", "file": "1", "layer": "6", "digest": "4", "net,blob": "35", "library, shub,all": "0123456",
	} {
		is, err := ofTypes(strings.FieldsFunc(types, func(r rune) bool { return r == ',' }))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for n, i := range entries {
			if is(i) {
				got += strconv.Itoa(n)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", types, got, want)
		}
	}
	_, err := ofTypes([]string{"blob", "blobs"})
	if err == nil || err.Error() != `unknown type "blobs" of cache entries` ||
		hint.Of(err) != "the types are all, blob, digest, document, file, gpu, ipfs, layer, library, net, oci, oci-tmp, oras, shub, sif, tree, verdict" {
		t.Errorf("%v: %s", err, hint.Of(err))
	}
}

// fill puts entries that are called old and new into the cache of p.
func fill(t *testing.T, p *ui.Process) {
	t.Helper()
	c, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"old", "new"} {
		id := cache.ID{Kind: "layer", Key: strings.Repeat(string(rune('a'+i)), 64)}
		e, err := c.Put(t.Context(), id, name, func(f *os.File) error {
			_, err := f.WriteString(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
	c.Close()
}

// On a terminal, and only there, clean asks first; no answer is no.
func TestCleanAsks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, out, log := process(dir)
	for _, c := range []struct {
		answer string
		args   []string
		gone   bool
	}{
		{"y\n", nil, true}, {"YES\n", nil, true}, {"n\n", nil, false}, {"\n", nil, false}, {"\x04", nil, false},
		{"", []string{"-f"}, true}, {"", []string{"-n"}, false},
	} {
		control, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		fill(t, p)
		p.Stdin = tty
		if _, err := control.WriteString(c.answer); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		log.Reset()
		command := Command(p)
		command.SetArgs(append([]string{"clean"}, c.args...))
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		_, err = os.Stat(dir + "/layer/" + strings.Repeat("a", 64))
		if gone := os.IsNotExist(err); gone != c.gone {
			t.Errorf("%q %q: gone %v\n%s", c.answer, c.args, gone, log)
		}
		if asked := strings.Contains(log.String(), "Remove 2 entries, 6 B, from the cache? [y/N] "); asked != (c.args == nil) {
			t.Errorf("%q %q: %s", c.answer, c.args, log)
		}
		control.Close()
		tty.Close()
	}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, out, log := process(dir)
	fill(t, p)
	old := time.Now().AddDate(0, 0, -10)
	if err := os.Chtimes(dir+"/layer/"+strings.Repeat("a", 64), old, old); err != nil {
		t.Fatal(err)
	}
	try := func(args ...string) string {
		t.Helper()
		out.Reset()
		log.Reset()
		command := Command(p)
		command.SetArgs(args)
		if err := command.ExecuteContext(context.Background()); err != nil {
			return "error: " + err.Error()
		}
		return out.String() + log.String()
	}
	lines := strings.Split(try("list"), "\n")
	if len(lines) != 5 || lines[3] != "Total space used: 6 B in 2 entries" || !strings.HasPrefix(lines[1], "layer  bbbbbbbbbbbb  3 B") || !strings.HasSuffix(lines[2], "old") {
		t.Errorf("%q", lines)
	}
	if got := try("list", "-v"); !strings.Contains(got, strings.Repeat("b", 64)) {
		t.Errorf("%q", got)
	}
	if got := try("clean", "--days", "5", "--dry-run"); !strings.Contains(got, "old") || strings.Contains(got, "new") {
		t.Errorf("%q", got)
	}
	if got := try("clean", "--days", "5"); !strings.Contains(got, "entries removed: 1, ") {
		t.Errorf("%q", got)
	}
	if got := try("clean", "--days", "-1"); got != "error: --days -1 is not a number of days" {
		t.Errorf("%q", got)
	}
	if got := try("size"); got == "0\n" {
		t.Errorf("%q", got)
	}
	if got := try("list", "-T", "blob"); strings.Contains(got, "new") || !strings.Contains(got, ": 0 B in 0 entries") {
		t.Errorf("%q", got)
	}
	if got := try("list", "-T", "blob", "-a"); !strings.Contains(got, "new") {
		t.Errorf("%q", got)
	}
	if got := try("list", "-T", "x"); got != `error: unknown type "x" of cache entries` {
		t.Errorf("%q", got)
	}
	p.Environ = append(p.Environ, "SEALIFT_CACHE_MAX_SIZE=7M")
	if got := try("size", "--json"); !strings.Contains(got, `"directory": "`+dir+`"`) || !strings.Contains(got, `"limit": 7340032`) {
		t.Errorf("%q", got)
	}
	if got := try("clean", "-T", "sif,blob"); !strings.Contains(got, "entries removed: 0, ") {
		t.Errorf("%q", got)
	}
	site := try("list")
	p.Environ = []string{"SEALIFT_CACHEDIR=" + t.TempDir() + "/own", "SEALIFT_SITE_CACHEDIR=" + dir}
	if got := try("list"); !strings.Contains(got, "[site] new") || !strings.HasSuffix(got, ": 0 B in 0 entries\n") {
		t.Errorf("%q", got)
	}
	if got := try("clean"); !strings.Contains(got, "entries removed: 0, ") {
		t.Errorf("%q", got)
	}
	if p.Environ = []string{"SEALIFT_CACHEDIR=" + dir}; try("list") != site {
		t.Errorf("the cache below has %q, had %q", try("list"), site)
	}
	if got := try("clean", "-f") + try("size"); !strings.HasSuffix(got, "0\n") {
		t.Errorf("%q", got)
	}
}

// TestMachines: what is kept of GPUs is listed, counted and removed like the rest.
func TestMachines(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, out, log := process(dir)
	fill(t, p)
	try := func(want string, args ...string) {
		t.Helper()
		out.Reset()
		log.Reset()
		command := Command(p)
		command.SetArgs(args)
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		if got := out.String() + log.String(); !strings.Contains(got, want) {
			t.Errorf("%q: no %q in %q", args, want, got)
		}
	}
	try(": 6 B in 2 entries", "list")
	name, err := Machine(p, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(name+".d", 0o700); err != nil { // which is no file
		t.Fatal(err)
	}
	old := time.Now().AddDate(0, 0, -10)
	for _, host := range []string{"n1", "machine-with-a-long-name", ".n3.sealift-1"} {
		name, err := Machine(p, host)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("1234"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
		old = time.Now()
	}
	try("gpu    n1            4 B", "list")
	try(": 8 B in 2 entries", "list", "-T", "gpu")
	try("GPUs of machine-with-a-long-name\n", "list")
	try("GPUs of n1\nTotal space used: 4 B in 1 entries", "clean", "-n", "-D", "5", "-T", "gpu")
	try("entries removed: 1, 4 B", "clean", "-f", "-D", "5")
	try("entries removed: 0, 0 B", "clean", "-f", "-T", "sif")
	try("entries removed: 3, 10 B", "clean", "-f")
	try(": 0 B in 0 entries", "list")
	if err := os.Chmod(dir+"/gpu", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir+"/gpu", 0o700) })
	if os.Geteuid() != 0 {
		command := Command(p)
		command.SetArgs([]string{"list"})
		if err := command.ExecuteContext(t.Context()); err == nil {
			t.Error("what cannot be read is empty")
		}
	}
}
