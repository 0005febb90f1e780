package writer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs/table"
	"github.com/sealift/sealift/image/tree"
)

// hostFile is the content of a file of the host.
type hostFile struct {
	path string
	size int64
}

func (f hostFile) Size() int64                  { return f.size }
func (f hostFile) Open() (io.ReadCloser, error) { return os.Open(f.path) }

// hostTree is the tree below a directory of the host.
func hostTree(t testing.TB, path string) *tree.Node {
	t.Helper()
	n, err := hostNode(path, map[uint64]*tree.Node{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func hostNode(path string, links map[uint64]*tree.Node) (*tree.Node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, fmt.Errorf("lstat %s: %w", path, err)
	}
	if n := links[st.Ino]; n != nil {
		return n, nil
	}
	n := &tree.Node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, ModTime: st.Mtim.Sec}
	var err error
	if n.Xattrs, err = hostXattrs(path); err != nil {
		return nil, err
	}
	switch st.Mode & tree.TypeMask {
	case tree.TypeDir:
		n.Entries = map[string]*tree.Node{}
		list, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if n.Entries[e.Name()], err = hostNode(filepath.Join(path, e.Name()), links); err != nil {
				return nil, err
			}
		}
		return n, nil
	case tree.TypeRegular:
		n.Content = hostFile{path, st.Size}
	case tree.TypeSymlink:
		n.Target, err = os.Readlink(path)
	case tree.TypeBlock, tree.TypeChar:
		n.Rdev = st.Rdev
	}
	links[st.Ino] = n
	return n, err
}

func hostXattrs(path string) ([]tree.Xattr, error) {
	size, err := unix.Llistxattr(path, nil)
	if size == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	list := make([]byte, 1<<16)
	size, err = unix.Llistxattr(path, list)
	if err != nil {
		return nil, fmt.Errorf("listxattr %s: %w", path, err)
	}
	var set []tree.Xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		if name == "" || !table.StorableXattr(name) {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("getxattr %s %s: %w", path, name, err)
		}
		set = append(set, tree.Xattr{Name: name, Value: value[:n]})
	}
	slices.SortFunc(set, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return set, nil
}

// dump describes a tree, one line for each name, so that equal trees have
// equal dumps: hard links refer to the first name, contents are hashed.
func dump(t testing.TB, root *tree.Node) []string {
	t.Helper()
	var lines []string
	first := map[*tree.Node]string{}
	var walk func(path string, n *tree.Node)
	walk = func(path string, n *tree.Node) {
		if link, ok := first[n]; ok {
			lines = append(lines, fmt.Sprintf("%q link to %q", path, link))
			return
		}
		first[n] = path
		line := fmt.Sprintf("%q %o %d:%d @%d", path, n.Mode, n.UID, n.GID, table.ClampTime(n.ModTime))
		switch n.Mode & tree.TypeMask {
		case tree.TypeRegular:
			line += " " + sum(t, n.Content)
		case tree.TypeSymlink:
			line += " -> " + n.Target
		case tree.TypeBlock, tree.TypeChar:
			line += fmt.Sprintf(" rdev %#x", n.Rdev)
		}
		for _, x := range n.Xattrs {
			line += fmt.Sprintf(" %s=%x", x.Name, sha256.Sum256(x.Value))
		}
		lines = append(lines, line)
		for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
			walk(path+"/"+name, n.Entries[name])
		}
	}
	walk("", root)
	return lines
}

func sum(t testing.TB, c tree.Content) string {
	t.Helper()
	h := sha256.New()
	if c == nil {
		return fmt.Sprintf("0 %x", h.Sum(nil))
	}
	r, err := c.(tree.Opener).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %x", c.Size(), h.Sum(nil))
}

// same fails the test unless the trees are equal.
func same(t testing.TB, what string, got, want *tree.Node) {
	t.Helper()
	trees.Same(t, what, dump(t, got), dump(t, want))
}

// image writes root with o and returns the image's bytes.
func image(t testing.TB, root *tree.Node, o Options) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, w, &out, root)
}

func finish(t testing.TB, w *Writer, out *bytes.Buffer, root *tree.Node) []byte {
	t.Helper()
	defer w.Close()
	s, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	if copy(b, s.Bytes()); len(b)%4096 != 0 {
		t.Errorf("the image's length %d is not a multiple of 4096", len(b))
	}
	return b
}

// tool returns the path of a program, or skips the test where it is missing.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		trees.Unavailable(t, name+" is not installed")
	}
	return path
}

// unsquash extracts an image with squashfs-tools and returns the tree.
func unsquash(t testing.TB, b []byte) *tree.Node {
	t.Helper()
	trees.NeedRoot(t)
	program := tool(t, "unsquashfs")
	file := imageFile(t, b)
	to := filepath.Join(t.TempDir(), "root")
	cmd := exec.Command(program, "-quiet", "-no-progress", "-strict-errors", "-d", to, file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unsquashfs: %v\n%s", err, out)
	}
	return hostTree(t, to)
}

// mounted calls f with the directory where the kernel has mounted an image.
func mounted(t testing.TB, b []byte, f func(dir string)) {
	t.Helper()
	mountedFile(t, imageFile(t, b), f)
}

func mountedFile(t testing.TB, file string, f func(dir string)) {
	t.Helper()
	mountedAs(t, "squashfs", "loop,ro", file, f)
}

func mountedAs(t testing.TB, kind, options, file string, f func(dir string)) {
	t.Helper()
	trees.NeedRoot(t)
	dir := t.TempDir()
	cmd := exec.Command(tool(t, "mount"), "-t", kind, "-o", options, file, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "loop device") || strings.Contains(string(out), "permi") {
			trees.Unavailable(t, "no loop device: "+string(out))
		}
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer func() {
		if err := trees.Unmount(dir); err != nil {
			t.Error(err)
		}
	}()
	f(dir)
}

func imageFile(t testing.TB, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.sqfs")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
