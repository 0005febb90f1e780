package pulls

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/pull"
)

// process is that of a command in a directory of its own.
func process(t *testing.T) (*ui.Process, *bytes.Buffer) {
	var out bytes.Buffer
	dir := t.TempDir()
	t.Chdir(dir)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return &ui.Process{
		Terminal: ui.Terminal{Out: &out, Err: &out}, Cwd: dir, Environ: []string{"HOME=" + dir, "TMPDIR=" + dir}, Stderr: null,
	}, &out
}

// archive makes an OCI image of one file.
func archive(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	box := exec.Command("go", "run", "github.com/sealift/sealift/e2e/box", "oci-archive", filepath.Join(dir, "box.tar"))
	if out, err := box.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "box.tar")
}

func TestPull(t *testing.T) {
	source := "oci-archive:" + archive(t)
	p, out := process(t)
	run := func(args ...string) error {
		c := Command(p)
		c.SetArgs(args)
		c.SilenceErrors, c.SilenceUsage = true, true
		out.Reset()
		return c.Execute()
	}
	if err := run(source); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "sealift: getting "+source) || !strings.Contains(out.String(), "box.tar_latest.sif: "+source+", sha256:") {
		t.Errorf("%s", out)
	}
	if err := run("--force", source); err != nil || !strings.Contains(out.String(), "from the cache") || strings.Contains(out.String(), "getting") {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run("--dir", "sub", "--disable-cache", "--compression", "gzip", "it.sif", source); err != nil {
		t.Fatal(err)
	}
	if err := run("--dir", "sub", "--name", "example.org_bb:1.sif", source); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub/it.sif", "sub/example.org_bb:1.sif"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	for _, args := range [][]string{{"it.sif"}, {source}, {"--arch", "pdp11", "x.sif", source}, {"--compression", "none:1", "x.sif", source}, {"https://h/"}} {
		if err := run(args...); err == nil {
			t.Errorf("%q succeeds", args)
		}
	}
	p.Environ = append(p.Environ, "SEALIFT_FORCE=1", "SOURCE_DATE_EPOCH=x")
	if err := run("y.sif", source); err == nil || hint.Of(err) == "" {
		t.Errorf("an epoch that is none: %v", err)
	}
}

// TestOpen gets an image for a command that uses it.
func TestOpen(t *testing.T) {
	source := "oci-archive:" + archive(t)
	p, out := process(t)
	for _, f := range []Flags{{}, {}, {DisableCache: true}, {DisableCache: true, Temp: t.TempDir()}} {
		i, err := f.Open(t.Context(), p, source)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := i.Size(); err != nil || n < 4096 {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(out.String(), "getting"); n != 3 {
		t.Errorf("got %d times:\n%s", n, out)
	}
	f := Flags{DisableCache: true, Temp: p.Cwd + "/none"}
	if _, err := f.Open(t.Context(), p, source); err == nil || hint.Of(err) == "" {
		t.Errorf("no place for it: %v", err)
	}
}

func TestTold(t *testing.T) {
	f := pullFlags{}
	f.Output = "x.sif"
	r := &pull.Result{Bytes: 1 << 20}
	r.Name, r.Digest = "docker://h/x:1", "sha256:abc"
	if got := f.told(r, time.Second); got != "x.sif: docker://h/x:1, sha256:abc, 1.0 MiB, in 1.0s" {
		t.Error(got)
	}
	r.Name, r.Bytes, r.Cached = "docker://h/x@sha256:abc", 0, true
	if got := f.told(r, time.Second); got != "x.sif: docker://h/x@sha256:abc, from the cache, in 1.0s" {
		t.Error(got)
	}
}
