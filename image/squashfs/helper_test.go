package squashfs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// needTool skips the test where a tool is missing, except in CI.
func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
}

// mksquashfs returns the image that mksquashfs makes of dir.
func mksquashfs(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	needTool(t, "mksquashfs")
	out := filepath.Join(t.TempDir(), "image")
	args = append([]string{dir, out, "-noappend", "-no-progress", "-quiet", "-processors", "1"}, args...)
	if text, err := exec.Command("mksquashfs", args...).CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs %v: %v\n%s", args, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, image []byte) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(image), int64(len(image)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pseudo adds to an image what an unprivileged user cannot make on disk.
var pseudo = []string{
	"-p", "sda c 640 0 6 8 1", "-p", "big b 600 0 0 4095 1048575",
	"-p", "owned f 755 100000 4294967294 echo owned", "-p", "setid f 6755 0 0 echo setid",
}

// addPseudo adds the nodes of pseudo to the tree of a directory.
func addPseudo(root *tree.Node) {
	root.Entries["sda"] = &tree.Node{Mode: tree.TypeChar | 0o640, GID: 6, Rdev: unix.Mkdev(8, 1)}
	root.Entries["big"] = &tree.Node{Mode: tree.TypeBlock | 0o600, Rdev: unix.Mkdev(4095, 1048575)}
	root.Entries["owned"] = &tree.Node{Mode: tree.TypeRegular | 0o755, UID: 100000, GID: 4294967294, Content: tree.Bytes("owned\n")}
	root.Entries["setid"] = &tree.Node{Mode: tree.TypeRegular | 0o6755, Content: tree.Bytes("setid\n")}
}

// sourceDir makes a directory with a file of every kind and of sizes around
// those of blocks.
func sourceDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	write := func(name string, b []byte) {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, b, 0o644))
	}
	for _, size := range []int{0, 1, 100, 4095, 4096, 4097, 131071, 131072, 131073, 300000} {
		write(fmt.Sprintf("text/%d", size), text(rnd, size))
		write(fmt.Sprintf("random/%d", size), random(rnd, size%200001))
	}
	write("two-large-blocks", append(text(rnd, 300000), make([]byte, 1<<20)...))
	holes := make([]byte, 700000)
	copy(holes[200000:], random(rnd, 5000))
	copy(holes[699000:], "end")
	write("sparse", holes)
	write("all-holes", make([]byte, 1<<20))
	check(t, os.Link(filepath.Join(dir, "text/100"), filepath.Join(dir, "hardlink")))
	check(t, os.Symlink("text/100", filepath.Join(dir, "link")))
	check(t, os.Symlink(strings.Repeat("x", 4000), filepath.Join(dir, "long-link")))
	check(t, os.MkdirAll(filepath.Join(dir, "a/b/c/empty"), 0o700))
	check(t, os.Chmod(filepath.Join(dir, "a/b"), 0o1777))
	check(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	check(t, unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o755, 0))
	write(strings.Repeat("n", 255), []byte("long name"))
	check(t, os.Chtimes(filepath.Join(dir, "sparse"), time.Time{}, time.Unix(0xf0000000, 0)))
	for i := range 30 {
		setXattr(t, filepath.Join(dir, "text/100"), fmt.Sprintf("user.attr%d", i), random(rnd, i*37%200))
		setXattr(t, filepath.Join(dir, "a"), fmt.Sprintf("user.attr%d", i), []byte("shared value, long enough to be stored once"))
		setXattr(t, filepath.Join(dir, "a/b"), fmt.Sprintf("user.attr%d", i), []byte("shared value, long enough to be stored once"))
	}
	return dir
}

func setXattr(t testing.TB, path, name string, value []byte) {
	t.Helper()
	if err := unix.Lsetxattr(path, name, value, 0); err != nil {
		t.Skipf("the file system of %s has no extended attributes: %v", path, err)
	}
}

func text(rnd *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+20)
	for len(b) < n {
		b = fmt.Appendf(b, "line %d\n", rnd.IntN(5000))
	}
	return b[:n]
}

func random(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// hostTree returns a directory of the host as a tree.
func hostTree(t testing.TB, path string, links map[uint64]*tree.Node) *tree.Node {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Lstat(path, &st))
	if n := links[st.Ino]; n != nil {
		return n
	}
	n := &tree.Node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, ModTime: st.Mtim.Sec, Xattrs: hostXattrs(t, path)}
	links[st.Ino] = n
	var err error
	switch st.Mode & tree.TypeMask {
	case tree.TypeDir:
		n.Entries = make(map[string]*tree.Node)
		list, err := os.ReadDir(path)
		check(t, err)
		for _, e := range list {
			n.Entries[e.Name()] = hostTree(t, filepath.Join(path, e.Name()), links)
		}
	case tree.TypeRegular:
		var b []byte
		b, err = os.ReadFile(path)
		n.Content = tree.Bytes(b)
	case tree.TypeSymlink:
		n.Target, err = os.Readlink(path)
	}
	check(t, err)
	return n
}

func hostXattrs(t testing.TB, path string) (list []tree.Xattr) {
	t.Helper()
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, names)
	if err == unix.ENOTSUP {
		return nil
	}
	check(t, err)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		check(t, err)
		list = append(list, tree.Xattr{Name: name, Value: value[:n]})
	}
	return list
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
