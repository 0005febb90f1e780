package contents

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sandbox"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), remedy) {
		t.Errorf("error %v, hint %q; want %q and %q", err, hint.Of(err), text, remedy)
	}
}

// entry is an entry of a layer: a name that ends with a slash is a directory,
// a body that begins with an arrow a symbolic link's target, with "= " a hard
// link's.
type entry struct {
	name, body string
	mode       int64
	uid        int
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: e.mode, Uid: e.uid, Gid: e.uid, Size: int64(len(e.body)), ModTime: time.Unix(1000, 0)}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if target, ok := strings.CutPrefix(e.body, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		if target, ok := strings.CutPrefix(e.body, "= "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, target, 0
		}
		if e.body == "fifo" {
			h.Typeflag, h.Size = tar.TypeFifo, 0
		}
		must(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write([]byte(e.body))
			must(t, err)
		}
	}
	must(t, w.Close())
	return b.Bytes()
}

// members are the files of a layout of one image for amd64, tagged "one".
func members(t *testing.T, layers ...[]byte) (files []entry) {
	t.Helper()
	blob := func(raw []byte, mediaType string) map[string]any {
		sum := fmt.Sprintf("%x", sha256.Sum256(raw))
		files = append(files, entry{"blobs/sha256/" + sum, string(raw), 0o644, 0})
		return map[string]any{"mediaType": mediaType, "digest": "sha256:" + sum, "size": len(raw)}
	}
	text := func(v any) []byte {
		b, err := json.Marshal(v)
		must(t, err)
		return b
	}
	const prefix = "application/vnd.oci.image."
	var list, diffs []any
	for _, l := range layers {
		d := blob(l, prefix+"layer.v1.tar")
		list, diffs = append(list, d), append(diffs, d["digest"])
	}
	config := blob(text(map[string]any{"os": "linux", "architecture": "amd64",
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs}}), prefix+"config.v1+json")
	manifest := blob(text(map[string]any{"schemaVersion": 2, "config": config, "layers": list}), prefix+"manifest.v1+json")
	manifest["annotations"] = map[string]any{"org.opencontainers.image.ref.name": "one"}
	index := text(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	return append(files, entry{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`, 0o644, 0}, entry{"index.json", string(index), 0o644, 0})
}

// saved are the members of an archive as docker save makes them, of "app:1".
func saved(t *testing.T, layers ...[]byte) []entry {
	t.Helper()
	var files []entry
	var ids, names []string
	for i, l := range layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		ids = append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(l)))
		files = append(files, entry{names[i], string(l), 0o644, 0})
	}
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["%s"]}}`, strings.Join(ids, `","`))
	manifest := fmt.Sprintf(`[{"Config":"c.json","RepoTags":["app:1"],"Layers":["%s"]}]`, strings.Join(names, `","`))
	return append(files, entry{"c.json", config, 0o644, 0}, entry{"manifest.json", manifest, 0o644, 0})
}

// long is a file of several blocks, of which each line differs.
var long = func() string {
	var b strings.Builder
	for i := range 60000 {
		fmt.Fprintln(&b, "line", i)
	}
	return b.String()
}()

// layers are those of the image that the tests look at.
func layers(t *testing.T) [][]byte {
	lower := tarOf(t, entry{"etc/", "", 0o755, 0}, entry{"etc/passwd", "root\n", 0o640, 7}, entry{"etc/gone", "gone\n", 0o644, 0},
		entry{"etc/old", "old\n", 0o644, 0}, entry{"usr/lib/", "", 0o755, 0}, entry{"usr/lib/long", long, 0o644, 0},
		entry{"lib", "-> /usr/lib", 0o777, 0}, entry{"lost", "-> nowhere", 0o777, 0}, entry{"loop", "-> loop", 0o777, 0},
		entry{"up", "-> ../../../../etc/passwd", 0o777, 0})
	upper := tarOf(t, entry{"etc/.wh.gone", "", 0, 0}, entry{"etc/old", "new\n", 0o600, 0}, entry{"bin/tool", "tool\n", 0o4755, 5},
		entry{"bin/alias", "= bin/tool", 0o4755, 5}, entry{"bin/\x1b[2Jclear", "clear\n", 0o644, 0}, entry{"bin/new\nline", "-> \x07", 0o777, 0},
		entry{"bin/\xff", "", 0o644, 0}, entry{"bin/pipe", "fifo", 0o600, 0}, entry{"tmp/", "", 0o1777, 0}, entry{"usr/lib/end", "end\n", 0o644, 0})
	return [][]byte{lower, upper}
}

// everyKind makes the same image in every kind of place and returns the names,
// the layout first.
func everyKind(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	stack := layers(t)
	for _, m := range members(t, stack...) {
		must(t, os.MkdirAll(filepath.Dir(at("layout/"+m.name)), 0o755))
		must(t, os.WriteFile(at("layout/"+m.name), []byte(m.body), 0o644))
	}
	must(t, os.WriteFile(at("oci.tar"), tarOf(t, members(t, stack...)...), 0o644))
	must(t, os.WriteFile(at("docker.tar"), tarOf(t, saved(t, stack...)...), 0o644))
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, err := z.Write(tarOf(t, saved(t, stack...)...))
	must(t, err)
	must(t, z.Close())
	must(t, os.WriteFile(at("docker.tar.gz"), compressed.Bytes(), 0o644))

	src := open(t, at("layout"))
	pack(t, src, at("image.sqfs"), PackOptions{})
	pack(t, src, at("image.sif"), PackOptions{SIF: true})
	must(t, unpack(t, src, at("rootfs")))
	return []string{
		at("layout"), "oci:" + at("layout") + ":one", at("oci.tar"), "oci-archive:" + at("oci.tar"), at("docker.tar"),
		"docker-archive:" + at("docker.tar") + ":app:1", at("docker.tar.gz"), at("image.sqfs"), at("image.sif"), at("rootfs"),
	}
}

func open(t *testing.T, name string) *Source {
	t.Helper()
	s, err := Open(t.Context(), name, Options{Arch: "amd64", TempDir: t.TempDir()})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func pack(t *testing.T, s *Source, path string, o PackOptions) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	o.Arch = "arm64"
	must(t, s.Pack(t.Context(), f, o))
	must(t, f.Close())
}

func unpack(t *testing.T, s *Source, path string, paths ...string) error {
	t.Helper()
	out, err := output.CreateDir(path, output.DirOptions{})
	must(t, err)
	dir, err := os.Open(out.Path())
	must(t, err)
	defer dir.Close()
	root := os.Getuid() == 0
	err = s.Unpack(t.Context(), dir, filepath.Dir(path), Selection{Paths: paths}, sandbox.WriteOptions{Chown: root, Devices: root})
	if err != nil {
		must(t, out.Abort())
		return err
	}
	return out.Commit()
}

func files(t *testing.T, s *Source) FS {
	t.Helper()
	fsys, err := s.FS(t.Context())
	must(t, err)
	return fsys
}

// listing is what ls -R prints, or ls -lR.
func listing(t *testing.T, s *Source, long bool) string {
	t.Helper()
	var b strings.Builder
	l, err := List(files(t, s), "/")
	must(t, err)
	must(t, l.Entries(true, func(e Entry) error {
		line := Quote(e.Path)
		if long {
			line = e.Long(e.Path)
		}
		fmt.Fprintln(&b, line)
		return nil
	}))
	return b.String()
}
