package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// maxPeak is what a process may need for content that is all one, in KiB; what there is of
// metadata comes on top.
const maxPeak = 256 << 10

// bombLayer is a layer as it is transferred.
type bombLayer struct {
	path         string
	media        types.MediaType
	digest, diff v1.Hash
	size         int64
}

func (l *bombLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *bombLayer) DiffID() (v1.Hash, error)             { return l.diff, nil }
func (l *bombLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *bombLayer) Uncompressed() (io.ReadCloser, error) { return nil, http.ErrNotSupported }
func (l *bombLayer) Size() (int64, error)                 { return l.size, nil }
func (l *bombLayer) MediaType() (types.MediaType, error)  { return l.media, nil }

// makeLayer writes a layer through a compression.
func makeLayer(t *testing.T, media types.MediaType, compress func(io.Writer) io.WriteCloser, content func(w io.Writer) error) *bombLayer {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "layer"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole, inner := sha256.New(), sha256.New()
	c := compress(io.MultiWriter(f, whole))
	w := bufio.NewWriterSize(io.MultiWriter(c, inner), 1<<20)
	for _, err := range []error{content(w), w.Flush(), c.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &bombLayer{f.Name(), media, sumOf(whole), sumOf(inner), st.Size()}
}

func sumOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

func plain(w io.Writer) io.WriteCloser { return nopCloser{w} }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func gzipped(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

func zstandard(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(err) // without options it cannot fail
	}
	return z
}

// zeros is a file of n bytes.
func zeros(n int64) func(io.Writer) error {
	return func(w io.Writer) error {
		tw := tar.NewWriter(w)
		if err := tw.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: n}); err != nil {
			return err
		}
		for block := make([]byte, 1<<20); n > 0; n -= int64(len(block)) {
			if _, err := tw.Write(block[:min(n, 1<<20)]); err != nil {
				return err
			}
		}
		return tw.Close()
	}
}

// files are n empty files in a directory.
func files(dir string, n int) func(io.Writer) error {
	return func(w io.Writer) error {
		tw := tar.NewWriter(w)
		for i := range n {
			if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s/%06d", dir, i), Mode: 0o644}); err != nil {
				return err
			}
		}
		return tw.Close()
	}
}

// hugeHeader is a file whose extended header has 2 MiB.
func hugeHeader(w io.Writer) error {
	const size = 2 << 20
	var head bytes.Buffer
	tw := tar.NewWriter(&head)
	if err := tw.WriteHeader(&tar.Header{Name: "x", Mode: 0o644, Size: size, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	block := head.Bytes()
	block[156] = 'x' // the type, which no writer writes so; the checksum at 148 is that of all bytes (ustar)
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
	record := fmt.Sprintf("%d SEALIFT.x=", size)
	record += strings.Repeat("x", size-len(record)-1) + "\n"
	_, err := w.Write(append(append(block, record...), make([]byte, 1024)...))
	return err
}

// bombs builds images of what is small and becomes large.
type bombs struct {
	sealift, dir string
	base         v1.Image
}

// run executes Sealift, which is to need a bounded amount of memory.
func (b *bombs) run(t *testing.T, metadata int, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// A process starts with its parent's peak of memory, so a small one in between.
	cmd := exec.CommandContext(ctx, "time", append([]string{"-q", "-f", "peak %M", b.sealift}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(), "TMPDIR="+b.temp(t), "SEALIFT_CACHEDIR="+filepath.Join(b.dir, "cache"))
	out, err := cmd.CombinedOutput()
	text, peak, ok := strings.Cut(string(out), "peak ")
	rss, peakErr := strconv.Atoi(strings.TrimSpace(peak))
	if !ok || peakErr != nil || rss > maxPeak+metadata {
		t.Errorf("%v: peak of memory %q KiB, more than %d", args, peak, maxPeak+metadata)
	}
	t.Logf("%v: peak %d KiB", args[0], rss)
	if strings.Contains(text, "goroutine ") || strings.Contains(text, "panic:") || ctx.Err() != nil {
		t.Errorf("%v: %v: %.2000s", args, ctx.Err(), text)
	}
	left, dirErr := os.ReadDir(b.temp(t))
	if dirErr != nil || len(left) > 0 {
		t.Errorf("%v: left in the temporary directory: %v, %v", args, left, dirErr)
	}
	return text, err
}

func (b *bombs) temp(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(b.dir, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// build builds an image of the base and layers, and returns its path.
func (b *bombs) build(t *testing.T, metadata int, layers ...v1.Layer) (string, error) {
	t.Helper()
	img, err := mutate.AppendLayers(b.base, layers...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at, err := layout.Write(filepath.Join(dir, "layout"), emptyIndex(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := at.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "x.sif")
	text, err := b.run(t, metadata, "build", "--disable-cache", out, "oci:"+string(at))
	return out, b.verdict(out, text, err)
}

// verdict makes an error of what was printed, which is to be of one line, and says whether
// there is no half image.
func (b *bombs) verdict(out, text string, err error) error {
	if err == nil {
		return nil
	}
	if left, readErr := os.ReadDir(filepath.Dir(out)); readErr == nil {
		for _, e := range left {
			if e.Name() != "layout" {
				return fmt.Errorf("left %s: %s", e.Name(), text)
			}
		}
	}
	return fmt.Errorf("%w: %s", err, text)
}

func emptyIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// TestBombs has content that is small where it comes from and large where it goes: it takes
// bounded memory, and what is refused is so with one line (T20 to T23, T27, T30).
func TestBombs(t *testing.T) {
	if asUser(t, "^TestBombs$"); os.Geteuid() == 0 {
		return // once is enough
	}
	env := images(t)
	sealift, _ := busyboxImage(t)
	index, err := layout.ImageIndexFromPath(env["BUSYBOX"])
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	b := &bombs{sealift: sealift, dir: t.TempDir()}
	if b.base, err = index.Image(manifest.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	inside := func(t *testing.T, metadata int, image, script, want string) {
		t.Helper()
		if got, err := b.run(t, metadata, "exec", image, "/bin/sh", "-c", script); err != nil || strings.TrimSpace(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	for name, compress := range map[string]func(io.Writer) io.WriteCloser{"gzip": gzipped, "zstd": zstandard} {
		t.Run(name, func(t *testing.T) {
			media := map[string]types.MediaType{"gzip": types.OCILayer, "zstd": types.OCILayerZStd}[name]
			image, err := b.build(t, 0, makeLayer(t, media, compress, zeros(512<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(image); err != nil || st.Size() > 8<<20 {
				t.Errorf("the image of zeros has %v bytes, %v", st.Size(), err)
			}
			inside(t, 0, image, "stat -c %s /zeros; tail -c 3 /zeros | od -An -tx1", "536870912\n 00 00 00")
		})
	}
	t.Run("header of 2 MiB", func(t *testing.T) {
		_, err := b.build(t, 0, makeLayer(t, types.OCIUncompressedLayer, plain, hugeHeader))
		if err == nil || strings.Count(err.Error(), "sealift: error: ") != 1 || !strings.Contains(err.Error(), "header") {
			t.Errorf("%v", err)
		}
	})
	t.Run("100,000 files in a directory", func(t *testing.T) {
		const metadata = 128 << 10 // 1.3 KiB for each file
		image, err := b.build(t, metadata, makeLayer(t, types.OCILayer, gzipped, files("many", 100_000)))
		if err != nil {
			t.Fatal(err)
		}
		inside(t, metadata, image, "ls /many | wc -l; ls /many/099999", "100000\n/many/099999")
	})
	t.Run("layers", func(t *testing.T) {
		var list []v1.Layer
		for i := range 1001 {
			list = append(list, makeLayer(t, types.OCILayer, gzipped, files(fmt.Sprintf("layers/%04d", i), 1)))
		}
		image, err := b.build(t, 64<<10, list[:999]...)
		if err != nil {
			t.Fatal(err)
		}
		inside(t, 0, image, "ls /layers | wc -l", "999")
		if _, err := b.build(t, 64<<10, list...); err == nil || !strings.Contains(err.Error(), "layers") {
			t.Errorf("%v", err)
		}
	})
	t.Run("sparse file of 5 GiB", func(t *testing.T) {
		tree := filepath.Join(t.TempDir(), "tree")
		if _, err := b.run(t, 0, "build", "--sandbox", tree, "oci:"+env["BUSYBOX"]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, "sparse"), []byte("begin"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(tree, "sparse"), 5<<30); err != nil {
			t.Fatal(err)
		}
		image := filepath.Join(t.TempDir(), "x.sif")
		if text, err := b.run(t, 0, "build", image, tree); err != nil {
			t.Fatal(err, text)
		}
		inside(t, 0, image, "stat -c %s /sparse; head -c 5 /sparse; tail -c 2 /sparse | od -An -tx1", "5368709120\nbegin 00 00")
	})
}

// endless writes until nobody reads any more.
func endless(w io.Writer, what []byte) {
	for block := bytes.Repeat(what, 1+(64<<10)/len(what)); ; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestEndlessAnswers pulls from servers that answer without an end: manifests, blobs,
// tokens, headers and errors (T65).
func TestEndlessAnswers(t *testing.T) {
	if asUser(t, "^TestEndlessAnswers$"); os.Geteuid() == 0 {
		return // once is enough
	}
	sealift, _ := busyboxImage(t)
	b := &bombs{sealift: sealift, dir: t.TempDir()}
	const config = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}`
	digest := func(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":1000}]}`,
		types.OCIManifestSchema1, types.OCIConfigJSON, digest(config), len(config), types.OCIUncompressedLayer, digest("layer"))
	for _, at := range []string{"manifest", "config", "blob", "token", "error", "headers"} {
		t.Run(at, func(t *testing.T) {
			var host string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead:
					w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
					w.Header().Set("Docker-Content-Digest", digest(manifest))
					w.Header().Set("Content-Length", strconv.Itoa(len(manifest)))
				case r.URL.Path == "/token":
					endless(w, []byte(`{"token":"`+strings.Repeat("x", 1000)+`","`))
				case at == "token":
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, host))
					w.WriteHeader(http.StatusUnauthorized)
				case at == "error":
					w.WriteHeader(http.StatusForbidden)
					endless(w, []byte(`{"errors":[{"code":"DENIED","message":"no"}]}`))
				case at == "headers":
					for i := range 40_000 {
						w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
					}
				case r.URL.Path == "/v2/":
				case strings.Contains(r.URL.Path, "/manifests/"):
					w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
					if at == "manifest" {
						endless(w, []byte(" "))
					}
					io.WriteString(w, manifest)
				case strings.HasSuffix(r.URL.Path, digest(config)) && at != "config":
					io.WriteString(w, config)
				default:
					endless(w, []byte("endless "))
				}
			}))
			defer s.Close()
			host = strings.TrimPrefix(s.URL, "http://")
			out := filepath.Join(t.TempDir(), "x.sif")
			text, err := b.run(t, 0, "build", "--no-https", out, "docker://"+host+"/a/b:1")
			if err = b.verdict(out, text, err); err == nil || strings.Count(err.Error(), "sealift: error: ") != 1 || len(text) > 4096 {
				t.Errorf("%v", err)
			}
			t.Log(strings.TrimSpace(text))
		})
	}
}
