package caches

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

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
	if all := limit(dir + "/not/yet"); all <= 1 || all != limit(dir) && all < 1<<20 {
		t.Errorf("limit %d", all)
	}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, out, log := process(dir)
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
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "layer  bbbbbbbbbbbb  3 B") || !strings.HasSuffix(lines[2], "old") {
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
	if got := try("clean", "-f") + try("size"); !strings.HasSuffix(got, "0\n") {
		t.Errorf("%q", got)
	}
}
