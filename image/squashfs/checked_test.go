package squashfs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/tree"
)

// golden describes the tree of most images in testdata, one node per line:
// path, mode, owner, links, and the first bytes of the content's digest, the
// target or the device number; then extended attributes.
const golden = `
/ 40755 0:0
/abs 120777 0:0 "/dir/../../link"
/big 100644 0:0 8292 bytes c7d2f6e8 user.shared=68
/dev 20666 0:0 rdev 0x103
/dir 40755 0:0 user.shared=68
/dir/CCCC1 100644 0:0 4 bytes 2c8b08da user.own=1 user.shared=68
/dir/CCCC2 100644 0:0 4 bytes 27dd8ed4 user.shared=68
/dir/sub 40755 0:0
/dir/sub2 40755 0:0
/dir/sub2/leaf 100644 0:0 5 bytes 26d0bac9
/fifo 10644 0:0
/hard = /big
/link 120777 0:0 "dir/CCCC1"
/owned 104755 1000:70000 6 bytes 33bff910
/sparse 100644 0:0 8196 bytes fb105818
`

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sqfs"))
	check(t, err)
	return b
}

var compressions = []string{"plain", "noI", "gzip", "zstd", "xz", "lz4", "lzo", "lzma"}

func TestCheckedInImages(t *testing.T) {
	for _, name := range compressions {
		root, err := open(t, testdata(t, name)).Tree()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var out strings.Builder
		describe(t, &out, "/", root, map[*tree.Node]string{})
		if got := out.String(); got != golden[1:] {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func describe(t *testing.T, out io.Writer, path string, n *tree.Node, seen map[*tree.Node]string) {
	name := path
	if path != "/" {
		name = strings.TrimSuffix(path, "/")
	}
	if first := seen[n]; first != "" {
		fmt.Fprintf(out, "%s = %s\n", name, first)
		return
	}
	seen[n] = name
	fmt.Fprintf(out, "%s %o %d:%d", name, n.Mode, n.UID, n.GID)
	if n.Target != "" {
		fmt.Fprintf(out, " %q", n.Target)
	}
	if n.Rdev != 0 {
		fmt.Fprintf(out, " rdev %#x", n.Rdev)
	}
	if n.Content != nil {
		f, err := n.Content.(tree.Opener).Open()
		check(t, err)
		b, err := io.ReadAll(f)
		check(t, err)
		fmt.Fprintf(out, " %d bytes %.4x", len(b), sha256.Sum256(b))
	}
	for _, x := range n.Xattrs {
		fmt.Fprintf(out, " %s=%d", x.Name, len(x.Value))
	}
	fmt.Fprintln(out)
	for _, child := range slices.Sorted(maps.Keys(n.Entries)) {
		describe(t, out, path+child+"/", n.Entries[child], seen)
	}
}

// TestHugeSparseFile reads around the holes and the end of a 5 GiB file.
func TestHugeSparseFile(t *testing.T) {
	const size = 5<<30 + 3
	r := open(t, testdata(t, "huge"))
	file, err := r.FS().Open("huge")
	check(t, err)
	info, err := file.Stat()
	if err != nil || info.Size() != size {
		t.Fatalf("%d bytes, %v", info.Size(), err)
	}
	for _, off := range []int64{0, 1 << 30, 4<<30 + 77, size - 4} {
		b := make([]byte, 4+(1<<20))
		n, err := file.(io.ReaderAt).ReadAt(b, off)
		if err != nil && err != io.EOF || string(b[:4]) != "mark" || strings.Trim(string(b[4:n]), "\x00") != "" {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
	if _, err := r.FS().ReadFile("huge"); err == nil {
		t.Error("ReadFile returned 5 GiB")
	}
}

// TestIndex looks names up through an index, and then in a cached listing.
func TestIndex(t *testing.T) {
	r := open(t, testdata(t, "indexed"))
	root, err := r.Inode(r.Root())
	check(t, err)
	if len(root.Index) == 0 {
		t.Fatal("no index")
	}
	for range 2 {
		for i := range 400 {
			name := fmt.Sprintf("a-name-long-enough-to-need-an-index-%03d", i)
			if e, err := r.Lookup(root, name); err != nil || e.Name != name {
				t.Fatalf("%q: %v", name, err)
			}
			for _, bad := range []string{name + "0", name[:20], "z"} {
				if _, err := r.Lookup(root, bad); !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("%q: %v", bad, err)
				}
			}
		}
		entries, err := r.ReadDir(root)
		if err != nil || len(entries) != 400 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
	}
}
