package imagefs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

const overflowID = 65534

// sourceFiles is what the images were made from.
var sourceFiles = sync.OnceValues(func() (map[string]file, error) { return walk(theFixture().source) })

// expect returns what a mount should show: the source and the pseudo entries,
// with ids that shown maps.
func expect(t *testing.T, shown func(uint32) uint32) map[string]file {
	t.Helper()
	source, err := sourceFiles()
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(source)
	if os.Getuid() != 0 { // mksquashfs -all-root
		for name, f := range want {
			f.UID, f.GID = 0, 0
			want[name] = f
		}
	}
	root := want["."]
	root.Nlink++
	want["."] = root
	mtime := root.MTime
	for name, f := range map[string]file{
		"dev":       {Mode: unix.S_IFDIR | 0o755, Nlink: 2},
		"dev/null":  {Mode: unix.S_IFCHR | 0o666, Nlink: 1, Rdev: unix.Mkdev(1, 3)},
		"dev/loop0": {Mode: unix.S_IFBLK | 0o660, Nlink: 1, Rdev: unix.Mkdev(7, 0)},
		"dev/large": {Mode: unix.S_IFCHR | 0o600, Nlink: 1, Rdev: unix.Mkdev(300, 70000)},
	} {
		f.MTime = mtime
		want[name] = f
	}
	for name, f := range want {
		f.UID, f.GID = shown(f.UID), shown(f.GID)
		want[name] = f
	}
	return want
}

// compare holds what was seen against what was expected, but for what the two
// file systems count differently.
func compare(t *testing.T, got, want map[string]file) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		if !ok {
			t.Errorf("%.40q is missing", name)
			continue
		}
		w := want[name]
		w.Blocks = g.Blocks
		if w.Mode&unix.S_IFMT == unix.S_IFDIR {
			w.Size = g.Size
		}
		if strings.HasPrefix(name, "dev") {
			w.MTime = g.MTime
		}
		if g != w {
			t.Errorf("%.40q:\n got %+v\nwant %+v", name, g, w)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%.40q should not be there", name)
		}
	}
}

// unchanged and single are how owners show: as stored, or, in a namespace with
// one id, as that or the overflow id.
func unchanged(id uint32) uint32 { return id }

func single(inside uint32) func(uint32) uint32 {
	return func(id uint32) uint32 {
		if id == inside {
			return id
		}
		return overflowID
	}
}

func TestMountEqualsSource(t *testing.T) {
	f := images(t)
	for name, c := range map[string]struct {
		who   ids
		shown func(uint32) uint32
		image string
	}{
		"root":                  {asRoot, unchanged, f.plain},
		"user root":             {asUserRoot, single(0), f.plain},
		"root with xattrs":      {asRoot, unchanged, f.full},
		"user root with xattrs": {asUserRoot, single(0), f.full},
	} {
		t.Run(name, func(t *testing.T) {
			if c.image == "" {
				t.Skip("the temporary directory takes no extended attributes")
			}
			a := mount(t, c.who, c.image, Options{})
			got := map[string]file{}
			a.must(&got, "walk", ".")
			want := expect(t, c.shown)
			for path, w := range want {
				w.Xattrs = strings.TrimPrefix(w.Xattrs, `trusted.secret="s" `) // not listed
				if c.image == f.plain {
					w.Xattrs = ""
				}
				want[path] = w
			}
			compare(t, got, want)
			if err := a.server.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSparseFileHasFewBlocks(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	var got file
	a.must(&got, "stat", "files/sparse")
	if got.Blocks == 0 || got.Blocks > 300 {
		t.Errorf("%d blocks", got.Blocks)
	}
}

func TestOwner(t *testing.T) {
	a := mount(t, asUser, images(t).plain, Options{
		Owner: &Owner{1000, 1000},
		Extra: []plan.Op{plan.Do(plan.Write, "/made", "0600", "mine")},
	})
	got := map[string]file{}
	a.must(&got, "walk", ".")
	for name, f := range got {
		if f.UID != 1000 || f.GID != 1000 {
			t.Errorf("%q belongs to %d:%d", name, f.UID, f.GID)
		}
	}
	var text string
	a.must(&text, "read", "made")
	if text != "mine" {
		t.Errorf("read %q", text)
	}
}

func TestPermissionsAreChecked(t *testing.T) {
	f := images(t)
	a := mount(t, asUser, f.plain, Options{Extra: []plan.Op{plan.Do(plan.Write, "/made", "0600", "root's")}})
	for _, path := range []string{"etc/shadow", "made"} {
		if err := a.do(nil, "read", path); err == nil || err.Error() != unix.EACCES.Error() {
			t.Errorf("read %s: %v", path, err)
		}
	}
	a.must(nil, "read", "etc/passwd")
	if err := a.do(nil, "names", "private", "4096"); err == nil || err.Error() != unix.EACCES.Error() {
		t.Errorf("list private: %v", err)
	}
}

func TestWritingFails(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{Owner: &Owner{0, 0}})
	for _, path := range []string{"etc/passwd", "new"} {
		if err := a.do(nil, "write", path); err == nil || err.Error() != unix.EROFS.Error() {
			t.Errorf("write %s: %v", path, err)
		}
	}
}

func TestBigDirectory(t *testing.T) {
	for name, extra := range map[string][]plan.Op{
		"image": nil, "merged": {plan.Do(plan.Write, "/big/entry-1000-with-a-long-name", "0644", "")},
	} {
		t.Run(name, func(t *testing.T) {
			a := mount(t, asUserRoot, images(t).plain, Options{Extra: extra})
			for _, size := range []string{"300", "4096", "1000000"} {
				var got []string
				a.must(&got, "names", "big", size)
				slices.Sort(got)
				if n := len(slices.Compact(got)); n != bigDir+2 || len(got) != n {
					t.Errorf("buffer of %s bytes: %d names, %d of them different", size, len(got), n)
				}
			}
			a.must(nil, "seek", "big")
		})
	}
}

func TestConcurrentReaders(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	got := map[string]file{}
	a.must(&got, "parallel", ".", "4")
	want, err := sourceFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		if g := got[name]; g.Sum != w.Sum || g.Link != w.Link {
			t.Errorf("%.40q: %+v, want %+v", name, g, w)
		}
	}
}

func TestShellTools(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	var out string
	a.must(&out, "sh", "find big -type f | wc -l; find . -type f -links +1 | wc -l; cat files/* | wc -c; test -t 0 < etc/passwd; ls -laR >/dev/null && echo listed")
	want := "3000\n2\n10268265\nlisted\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestStatfs(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	info, err := os.Stat(images(t).plain)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	a.must(&st, "statfs")
	if used := st.Blocks * uint64(st.Frsize); used+4096 < uint64(info.Size())-4096 || st.Bfree != 0 || st.Files < bigDir || st.Namelen != 255 {
		t.Errorf("%+v", st)
	}
}

// TestOverlay: kernel overlayfs takes the image, with merged directories, as
// its lower layer (the way of a writable container).
func TestOverlay(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{
		Owner: &Owner{0, 0},
		Extra: []plan.Op{plan.Do(plan.Write, "/etc/passwd", "0644", "mine\n"), plan.Do(plan.Mkdir, "/work/space", "0755")},
	})
	var out string
	err := a.do(&out, "sh", `set -e; lower=$PWD; mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir u w m
mount -t overlay overlay -o userxattr,lowerdir=$lower,upperdir=u,workdir=w m; cd m
echo more >> etc/passwd; cat etc/passwd; rm files/one; echo new > work/space/file; mv etc etc2; ls etc2 work/space; ls files | wc -l`)
	need(t, err, "mount an overlay in a user namespace: "+out)
	if want := "mine\nmore\netc2:\ngroup\npasswd\nshadow\n\nwork/space:\nfile\n7\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestExecute runs a program from the image, whose pages are mapped.
func TestExecute(t *testing.T) {
	images(t) // for mksquashfs
	program, err := os.ReadFile("/bin/busybox")
	need(t, err, "a static program to run")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "source"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "source/busybox"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "program.sqfs")
	if err := mksquashfs(filepath.Join(dir, "source"), path, "-comp", "lz4"); err != nil {
		t.Fatal(err)
	}
	a := mount(t, asUser, path, Options{})
	var out string
	a.must(&out, "sh", "./busybox sh -c 'echo it runs; exit 0'")
	if out != "it runs\n" {
		t.Errorf("got %q", out)
	}
}
