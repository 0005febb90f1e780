package writer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

func newDir(entries map[string]*tree.Node) *tree.Node {
	return &tree.Node{Mode: tree.TypeDir | 0o755, ModTime: 1700000000, Entries: entries}
}

func newFile(b []byte) *tree.Node {
	return &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: 1700000001, Content: tree.Bytes(b)}
}

// noise is size bytes that do not compress, text size bytes that do.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.NewChaCha8(key).Read(b)
	return b
}

func text(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "line %d of %d\n", r.IntN(1000), seed)
	}
	return b.Bytes()[:size]
}

// everything is a tree with a case of all that the format can hold, for block
// size bs.
func everything(bs int) *tree.Node {
	linked := newFile(text(1, 2*bs+5))
	linked.Xattrs = []tree.Xattr{{Name: "user.shared", Value: bytes.Repeat([]byte("v"), 100)}}
	plain := newFile([]byte("hard link without attributes"))
	holes := make([]byte, 4*bs+17)
	copy(holes[2*bs:], noise(3, bs))
	root := newDir(map[string]*tree.Node{
		"linked": linked, "plain": plain, "holes": newFile(holes),
		"data":  newDir(contents(bs)),
		"types": newDir(types()),
		"xattr": newDir(xattrs()),
		"names": newDir(map[string]*tree.Node{
			strings.Repeat("n", 255): newFile([]byte("long name")),
			"\xff\xfe not UTF-8":     newFile([]byte("bytes")),
			"new\nline":              newFile([]byte("newline")),
			"again":                  linked, "plain": plain,
		}),
		"large":  newDir(large(400, 200)),
		"medium": newDir(large(300, 10)),
		"empty":  newDir(nil),
		"deep":   deep(60),
	})
	root.Mode, root.UID, root.GID = tree.TypeDir|0o1777, 70000, 80000
	return root
}

func contents(bs int) map[string]*tree.Node {
	files := map[string]*tree.Node{"empty": newFile(nil), "nil": {Mode: tree.TypeRegular | 0o600}}
	long := min(7*bs, 1<<20+bs) + 3
	for i, size := range []int{1, 2, 100, bs - 1, bs, bs + 1, long} {
		files[fmt.Sprintf("noise%d", size)] = newFile(noise(uint64(i), size))
		files[fmt.Sprintf("text%d", size)] = newFile(text(uint64(i), size))
		files[fmt.Sprintf("twin%d", size)] = newFile(text(uint64(i), size))
		files[fmt.Sprintf("zero%d", size)] = newFile(make([]byte, size))
	}
	almost := text(6, long)
	almost[long-100] ^= 1
	files["almost"] = newFile(almost)
	return files
}

func types() map[string]*tree.Node {
	node := func(mode uint32) *tree.Node {
		return &tree.Node{Mode: mode, UID: 1500, GID: 4294967294, ModTime: 4294967295}
	}
	device := func(mode uint32, major, minor uint32) *tree.Node {
		n := node(mode)
		n.Rdev = unix.Mkdev(major, minor)
		return n
	}
	link := node(tree.TypeSymlink | 0o777)
	link.Target = "../data/empty"
	long := node(tree.TypeSymlink | 0o777)
	long.Target = strings.Repeat("t", format.MaxSymlink)
	old := node(tree.TypeRegular | 0o4755)
	old.ModTime = 0
	return map[string]*tree.Node{
		"null": device(tree.TypeChar|0o666, 1, 3), "char": device(tree.TypeChar|0o600, 4095, 1048575),
		"sda": device(tree.TypeBlock|0o660, 8, 0), "block": device(tree.TypeBlock|0o660, 259, 300),
		"fifo": node(tree.TypeFIFO | 0o644), "socket": node(tree.TypeSocket | 0o755),
		"link": link, "long": long, "setuid": old,
		"setgid": node(tree.TypeRegular | 0o2755), "unreadable": node(tree.TypeRegular),
	}
}

func xattrs() map[string]*tree.Node {
	big := bytes.Repeat([]byte("0123456789abcdef"), 200)
	capability := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	with := func(n *tree.Node, set ...tree.Xattr) *tree.Node {
		n.Xattrs = set
		return n
	}
	user := tree.Xattr{Name: "user.big", Value: big}
	trusted := tree.Xattr{Name: "trusted.overlay.opaque", Value: []byte("y")}
	return map[string]*tree.Node{
		"capable": with(newFile([]byte("ping")), tree.Xattr{Name: "security.capability", Value: capability}),
		"one":     with(newFile([]byte("one")), trusted, user),
		"two":     with(newFile([]byte("two")), trusted, user),
		"alone":   with(newFile([]byte("alone")), user),
		"short":   with(newFile([]byte("short")), tree.Xattr{Name: "user.e", Value: nil}, tree.Xattr{Name: "user.s", Value: []byte("12345678")}),
		"dir":     with(newDir(nil), trusted, user),
		"link":    with(&tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "one"}, trusted),
		"fifo":    with(&tree.Node{Mode: tree.TypeFIFO | 0o600}, trusted),
		"socket":  with(&tree.Node{Mode: tree.TypeSocket | 0o600}, trusted),
		"char":    with(&tree.Node{Mode: tree.TypeChar | 0o600, Rdev: unix.Mkdev(1, 5)}, trusted),
		"block":   with(&tree.Node{Mode: tree.TypeBlock | 0o600, Rdev: unix.Mkdev(7, 1)}, trusted),
	}
}

// large is the entries of a directory, with names of about length bytes.
func large(count, length int) map[string]*tree.Node {
	files := map[string]*tree.Node{}
	for i := range count {
		files[fmt.Sprintf("%05d-%s", i, strings.Repeat("x", length-i%7))] = newFile([]byte{byte(i), byte(i >> 8)})
	}
	return files
}

func deep(levels int) *tree.Node {
	n := newDir(map[string]*tree.Node{"bottom": newFile([]byte("deep"))})
	for range levels {
		n = newDir(map[string]*tree.Node{"down": n})
	}
	return n
}

var compressions = map[string]codec.Choice{
	"gzip": {ID: format.Gzip}, "zstd": {ID: format.Zstd}, "lz4": {ID: format.LZ4}, "xz": {ID: format.XZ},
	"none": {ID: format.Gzip, Store: true},
}

// Squashfs-tools, the kernel and our own reader all find in an image the tree
// it was written from.
func TestEveryReaderFindsWhatWasWritten(t *testing.T) {
	for name, choice := range compressions {
		for _, bs := range []int{4 << 10, 128 << 10, 1 << 20} {
			root := everything(bs)
			if bs > 4<<10 {
				delete(root.Entries, "large")
				delete(root.Entries, "medium")
			}
			want := dump(t, root)
			b := image(t, root, Options{Codec: choice, BlockSize: bs, ModTime: 1700000000, Workers: 2})
			name := fmt.Sprintf("%s %d ", name, bs)
			t.Run(name+"reader", func(t *testing.T) {
				trees.Same(t, "reader", dump(t, readBack(t, b)), want)
			})
			t.Run(name+"unsquashfs", func(t *testing.T) {
				trees.Same(t, "unsquashfs", dump(t, unsquash(t, b)), want)
			})
			t.Run(name+"kernel", func(t *testing.T) {
				mounted(t, b, func(dir string) { trees.Same(t, "kernel", dump(t, hostTree(t, dir)), want) })
			})
		}
	}
}
