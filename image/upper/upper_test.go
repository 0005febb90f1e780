package upper

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	must(t, Create(dir+"/ov", []string{"/opt/data", "srv"}))
	var names []string
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		st, statErr := e.Info()
		if err = errors.Join(err, statErr); err == nil && path != dir {
			names = append(names, strings.TrimPrefix(path, dir))
			if st.Mode() != fs.ModeDir|0o755 {
				t.Errorf("%s has the mode %v", path, st.Mode())
			}
		}
		return err
	}))
	if want := []string{"/ov", "/ov/upper", "/ov/upper/opt", "/ov/upper/opt/data", "/ov/upper/srv", "/ov/work"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	for _, bad := range []string{"..", "../x", "/", "", "a/../../x"} {
		if err := Create(dir+"/bad", []string{"good", bad}); hint.Of(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// change makes a directory as overlayfs leaves it.
func change(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir+"/opaque", 0o755))
	must(t, os.WriteFile(dir+"/opaque/file", []byte("text"), 0o4711))
	must(t, unix.Mknod(dir+"/gone", unix.S_IFCHR, 0))
	must(t, unix.Setxattr(dir+"/opaque", "user.overlay.opaque", []byte("y"), 0))
	must(t, unix.Setxattr(dir+"/opaque", "user.zz", []byte("z"), 0))
}

// packed returns the tree of what Pack makes.
func packed(t *testing.T, dir string, p Packing) *tree.Node {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sqfs"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	must(t, Pack(t.Context(), dir, f, p))
	st, err := f.Stat()
	must(t, err)
	r, err := squashfs.Open(f, st.Size(), squashfs.Options{})
	must(t, err)
	root, err := r.Tree()
	must(t, err)
	return root
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	must(t, Create(dir+"/ov", nil))
	change(t, dir+"/ov/upper")
	change(t, dir+"/plain")
	for _, name := range []string{"ov", "plain"} {
		root := packed(t, filepath.Join(dir, name), Packing{Options: writer.Options{ModTime: 1000}, NoLater: true, AllRoot: true})
		if len(root.Entries) != 2 || !root.Entries["gone"].IsWhiteout() {
			t.Fatalf("%s: %v", name, root.Entries)
		}
		opaque := root.Entries["opaque"]
		var attrs []string
		for _, x := range opaque.Xattrs {
			attrs = append(attrs, x.Name+"="+string(x.Value))
		}
		if want := []string{"trusted.overlay.opaque=y", "user.overlay.opaque=y", "user.zz=z"}; !slices.Equal(attrs, want) {
			t.Errorf("%s: attributes %q, want %q", name, attrs, want)
		}
		file := opaque.Entries["file"]
		if file.UID != 0 || file.ModTime != 1000 || file.Content.Size() != 4 {
			t.Errorf("%s: %+v", name, file)
		}
	}
	root := packed(t, dir+"/ov", Packing{})
	if file := root.Entries["opaque"].Entries["file"]; int(file.UID) != os.Getuid() || file.ModTime < 1000_000 {
		t.Errorf("%+v", file)
	}
}

// What a container writes to is not packed, be it named by the directory that has its lock
// or by the one that has the files.
func TestPackLocked(t *testing.T) {
	dir := t.TempDir()
	must(t, Create(dir+"/ov", nil))
	must(t, os.Symlink(dir+"/ov/upper", dir+"/link"))
	want := map[string]string{dir + "/none": "no such file", "/dev/null": "not a directory"}
	for _, locked := range []string{"/ov", "/ov/upper"} {
		held, err := os.Open(dir + locked)
		must(t, err)
		must(t, unix.Flock(int(held.Fd()), unix.LOCK_EX))
		for _, path := range []string{"/ov", "/ov/upper", "/link"} {
			want[dir+path] = "a container writes to it"
		}
		for path, want := range want {
			if err := Pack(t.Context(), path, nil, Packing{}); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
				t.Errorf("%s locked, %s: %v", locked, path, err)
			}
		}
		must(t, held.Close())
	}
	packed(t, dir+"/link", Packing{}) // nobody holds a lock any more
	other, err := os.Open(dir + "/ov")
	must(t, err)
	defer other.Close()
	must(t, unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}

func TestExt3(t *testing.T) {
	mke2fs, err := exec.LookPath("mke2fs")
	if err != nil {
		apart.Skip(t, "mke2fs is not installed")
	}
	write := func(e Ext3) (os.FileInfo, error) {
		f, err := os.Create(filepath.Join(t.TempDir(), "image"))
		must(t, err)
		defer f.Close()
		e.Temp, e.Size = t.TempDir(), 8<<20
		err = e.Write(t.Context(), f)
		if left, readErr := os.ReadDir(e.Temp); readErr != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, readErr)
		}
		st, statErr := f.Stat()
		must(t, statErr)
		return st, err
	}
	full, err := write(Ext3{Mke2fs: mke2fs})
	must(t, err)
	sparse, err := write(Ext3{Mke2fs: mke2fs, Sparse: true, Dirs: []string{"/opt"}})
	must(t, err)
	blocks := func(st os.FileInfo) int64 { return st.Sys().(*syscall.Stat_t).Blocks }
	if full.Size() != 8<<20 || sparse.Size() != 8<<20 || blocks(sparse) >= blocks(full) {
		t.Errorf("sizes %d and %d, blocks %d and %d", full.Size(), sparse.Size(), blocks(full), blocks(sparse))
	}
	if _, err := write(Ext3{Mke2fs: "/bin/false"}); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Error(err)
	}
	if _, err := write(Ext3{Mke2fs: mke2fs, Dirs: []string{"../x"}}); hint.Of(err) == "" {
		t.Error(err)
	}
}
