package contents

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// names are those that a selection leaves, without the root.
func names(t *testing.T, s *Source, o Selection) string {
	t.Helper()
	root, err := s.Tree(t.Context(), number(), o)
	must(t, err)
	var list []string
	for name := range root.Walk() {
		list = append(list, name)
	}
	return strings.Join(list[1:], " ")
}

func TestSelection(t *testing.T) {
	kinds := everyKind(t)
	for _, name := range []string{kinds[0], kinds[7], kinds[9]} {
		s := open(t, name)
		for _, c := range []struct {
			o    Selection
			want string
		}{
			{Selection{Paths: []string{"/etc/old"}}, "etc etc/old"},
			{Selection{Paths: []string{"etc/"}}, "etc etc/old etc/passwd"},
			{Selection{Paths: []string{"/lib/end", "tmp"}}, "lib tmp usr usr/lib usr/lib/end"},
			{Selection{Paths: []string{"/lib"}}, "lib"},
			{Selection{Paths: []string{"/lib/"}}, "lib usr usr/lib usr/lib/end usr/lib/long"},
			{Selection{Paths: []string{"/up", "/loop"}}, "loop up"},
			{Selection{Paths: []string{"/bin/../etc"}}, "bin etc etc/old etc/passwd"},
			{Selection{Paths: []string{"/usr"}, Exclude: []string{"l*g"}}, "usr usr/lib usr/lib/end"},
			{Selection{Exclude: []string{"bin", "/usr/lib", "lo??", "up"}}, "etc etc/old etc/passwd lib tmp usr"},
			{Selection{Exclude: []string{"*/*", "l*", "up"}}, "bin etc tmp usr"},
			{Selection{Exclude: []string{"/*"}}, ""},
		} {
			if got := names(t, s, c.o); got != c.want {
				t.Errorf("%s: %+v: %s", name, c.o, got)
			}
		}
		for path, want := range map[string]error{"/no": fs.ErrNotExist, "/etc/old/x": syscall.ENOTDIR, "/loop/x": syscall.ELOOP, "/lost/x": fs.ErrNotExist} {
			if _, err := s.Tree(t.Context(), number(), Selection{Paths: []string{path}}); !errors.Is(err, want) {
				t.Errorf("%s: %s: %v", name, path, err)
			}
		}
		_, err := s.Tree(t.Context(), number(), Selection{Exclude: []string{"[x"}})
		wantError(t, err, `"[x"`, "backslash")
	}
}

// TestExcludedIsNotStored packs layers without the large file.
func TestExcludedIsNotStored(t *testing.T) {
	s := open(t, everyKind(t)[0])
	path := filepath.Join(t.TempDir(), "x")
	pack(t, s, path, PackOptions{Changes: Changes{Selection: Selection{Exclude: []string{"long"}}}, Codec: codec.Choice{ID: format.Gzip, Store: true}})
	if st, err := os.Stat(path); err != nil || st.Size() > 64<<10 {
		t.Errorf("%v bytes, %v", st.Size(), err)
	}
	var b bytes.Buffer
	if err := Cat(&b, files(t, open(t, path)), "/bin/tool"); err != nil || b.String() != "tool\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestUnreadIsExcluded leaves out what could not be read.
func TestUnreadIsExcluded(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/secret/x", 0o755))
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o644))
	must(t, os.Chmod(dir+"/secret", 0))
	t.Cleanup(func() { must(t, os.Chmod(dir+"/secret", 0o700)) })
	if got := names(t, open(t, dir), Selection{Exclude: []string{"/secret"}}); got != "f" {
		t.Error(got)
	}
}

// TestPackIsDeterministic packs twice, from different kinds.
func TestPackIsDeterministic(t *testing.T) {
	kinds := everyKind(t)
	o := PackOptions{Changes: Changes{Time: time.Unix(500, 0), Reproducible: true, AllRoot: true}, SIF: true}
	var first []byte
	for _, name := range []string{kinds[0], kinds[4], kinds[0]} {
		path := filepath.Join(t.TempDir(), "x")
		pack(t, open(t, name), path, o)
		got, err := os.ReadFile(path)
		must(t, err)
		if first == nil {
			first = got
		}
		if !bytes.Equal(got, first) {
			t.Errorf("%s: other bytes", name)
		}
		root, err := open(t, path).Tree(t.Context(), nil, Selection{})
		must(t, err)
		for name, n := range root.Walk() {
			if n.UID != 0 || n.GID != 0 || n.ModTime > 500 {
				t.Errorf("%s: owner %d:%d, time %d", name, n.UID, n.GID, n.ModTime)
			}
		}
	}
}

// TestPackSIF has the architecture of the source, or else that asked for.
func TestPackSIF(t *testing.T) {
	kinds := everyKind(t)
	for name, want := range map[string]string{kinds[0]: "amd64", kinds[8]: "amd64", kinds[7]: "arm64", kinds[9]: "arm64"} {
		path := filepath.Join(t.TempDir(), "x")
		pack(t, open(t, name), path, PackOptions{SIF: true, Changes: Changes{Time: time.Unix(1, 0)}})
		s := open(t, path)
		if s.Arch() != want || len(s.file.SIF().Objects()) != 3 {
			t.Errorf("%s: architecture %q, %d objects", name, s.Arch(), len(s.file.SIF().Objects()))
		}
	}
}

// TestBlocksAreAdopted repacks in the same form, to the same bytes, and in
// another one.
func TestBlocksAreAdopted(t *testing.T) {
	s := open(t, everyKind(t)[7])
	dir := t.TempDir()
	pack(t, s, dir+"/same", PackOptions{})
	pack(t, s, dir+"/other", PackOptions{BlockSize: 4096, Codec: codec.Choice{ID: format.Gzip}})
	want, err := os.ReadFile(s.file.Path())
	must(t, err)
	got, err := os.ReadFile(dir + "/same")
	must(t, err)
	if block := want[format.SuperSize:4096]; !bytes.Contains(got, block) {
		t.Error("the first block is another one")
	}
	super := open(t, dir+"/other").file.Squash().Super()
	if super.BlockSize != 4096 || super.Compression != format.Gzip {
		t.Errorf("superblock %+v", super)
	}
	if a, b := listing(t, s, true), listing(t, open(t, dir+"/other"), true); a != b {
		t.Errorf("%s\nis not\n%s", b, a)
	}
}

// TestUnpackStaysInside unpacks images that try to get out.
func TestUnpackStaysInside(t *testing.T) {
	outside := t.TempDir()
	for name, layer := range map[string][]byte{
		"through a link": tarOf(t, entry{"d", "-> " + outside, 0o777, 0}, entry{"d/evil", "x", 0o644, 0}),
		"link replaced":  tarOf(t, entry{"d", "-> " + outside, 0o777, 0}, entry{"d/", "", 0o755, 0}, entry{"d/evil", "x", 0o644, 0}),
		"hard link":      tarOf(t, entry{"s", "-> " + outside + "/evil", 0o777, 0}, entry{"h", "= s", 0o644, 0}, entry{"h", "x", 0o644, 0}),
		"dots":           tarOf(t, entry{"a/../../evil", "x", 0o644, 0}),
		"absolute":       tarOf(t, entry{outside + "/evil", "x", 0o644, 0}),
	} {
		path := filepath.Join(t.TempDir(), "x.tar")
		must(t, os.WriteFile(path, tarOf(t, saved(t, layer)...), 0o644))
		err := unpack(t, open(t, path), filepath.Join(t.TempDir(), "out"))
		if (err != nil) != (name == "dots") {
			t.Errorf("%s: %v", name, err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
			t.Fatalf("%s: %v in %s, %v", name, list, outside, err)
		}
	}
}

// squashOf writes a tree as it is, which the tree's maker says nothing about,
// and changes the image's bytes.
func squashOf(t *testing.T, root *tree.Node, change ...string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sqfs"))
	must(t, err)
	must(t, writer.WriteFile(t.Context(), f, writer.Options{Codec: codec.Choice{ID: format.Gzip, Store: true}}, writer.Whole(root)))
	must(t, f.Close())
	b, err := os.ReadFile(f.Name())
	must(t, err)
	for i := 0; i < len(change); i += 2 {
		if !bytes.Contains(b, []byte(change[i])) {
			t.Fatalf("no %q in the image", change[i])
		}
		b = bytes.ReplaceAll(b, []byte(change[i]), []byte(change[i+1]))
	}
	must(t, os.WriteFile(f.Name(), b, 0o644))
	return f.Name()
}

// TestHostileNames has names in an image that no directory can have: nothing
// is written anywhere, and a listing is an error.
func TestHostileNames(t *testing.T) {
	for name, change := range map[string][]string{
		"slash": {"NAME1", "../xx"}, "dots": {"NA", ".."}, "twice": {"NAME1", "SAME1", "NAME2", "SAME1"}, "NUL": {"NAME1", "NAM\x001"},
	} {
		root := tree.NewDir(0o755)
		for _, base := range []string{"NA", "NAME1", "NAME2"} {
			root.Entries[base] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("x")}
		}
		if name != "dots" {
			delete(root.Entries, "NA")
		} else {
			maps.DeleteFunc(root.Entries, func(base string, _ *tree.Node) bool { return base != "NA" })
		}
		s := open(t, squashOf(t, root, change...))
		parent := t.TempDir()
		if err := unpack(t, s, parent+"/out"); err == nil {
			t.Errorf("%s: unpacked", name)
		}
		if list, err := os.ReadDir(parent); err != nil || len(list) > 0 {
			t.Errorf("%s: %v is left, %v", name, list, err)
		}
		l, err := List(files(t, s), "/")
		must(t, err)
		if err := l.Entries(true, func(Entry) error { return nil }); err == nil {
			t.Errorf("%s: listed", name)
		}
	}
}

// TestDirectoryTwice ends a listing of an image whose directories have several
// names, which would double with each level.
func TestDirectoryTwice(t *testing.T) {
	root := tree.NewDir(0o755)
	root.Entries["DIRA"], root.Entries["DIRB"] = tree.NewDir(0o755), tree.NewDir(0o755)
	path := squashOf(t, root)
	image, err := os.ReadFile(path)
	must(t, err)
	// Before an entry's name stand eight bytes; the first four lead to the
	// inode.
	a, b := bytes.Index(image, []byte("DIRA"))-8, bytes.Index(image, []byte("DIRB"))-8
	copy(image[b:b+4], image[a:a+4])
	must(t, os.WriteFile(path, image, 0o644))
	l, err := List(files(t, open(t, path)), "/")
	must(t, err)
	wantError(t, l.Entries(true, func(Entry) error { return nil }), "directory /DIRB has another name", "")
	wantError(t, unpack(t, open(t, path), filepath.Join(t.TempDir(), "out")), "has another name", "")
}

// TestUnpackWarns counts what an ordinary user cannot make.
func TestUnpackWarns(t *testing.T) {
	s := open(t, everyKind(t)[8])
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer dir.Close()
	must(t, s.Unpack(t.Context(), dir, "", Selection{}, sandbox.WriteOptions{}))
	if w := s.Warnings(); !slices.ContainsFunc(w, func(line string) bool { return strings.Contains(line, "1 programs lost") }) {
		t.Errorf("warnings %q", w)
	}
}
