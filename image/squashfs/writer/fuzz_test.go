package writer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// FuzzRoundTrip (F5) builds a small tree as the input says, writes it and reads it
// back; each byte makes one node.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a tree"), uint8(0))
	f.Add(bytes.Repeat([]byte{0, 1, 2, 3, 4, 5, 6, 7, 0xff, 0x10, 0x81}, 30), uint8(1))
	f.Add(bytes.Repeat([]byte{0}, 200), uint8(7))
	f.Fuzz(func(t *testing.T, recipe []byte, choice uint8) {
		root := grown(recipe[:min(len(recipe), 300)])
		o := Options{BlockSize: 4096 << (choice % 3), Workers: 1 + int(choice%2), Codec: codec.Choice{ID: format.Gzip, Level: 1}}
		same(t, "read back", readBack(t, image(t, root, o)), root)
	})
}

// grown makes one node for each byte of the recipe: the low bits choose what,
// the high bits how large.
func grown(recipe []byte) *tree.Node {
	root := newDir(map[string]*tree.Node{})
	at, last := root, root
	for i, c := range recipe {
		n := &tree.Node{UID: uint32(i % 5), GID: uint32(c), ModTime: int64(i) << (c % 30)}
		size := int(c>>3) * 700
		switch c & 7 {
		case 0:
			n.Mode, n.Entries = tree.TypeDir|0o755, map[string]*tree.Node{}
		case 1:
			n.Mode, n.Target = tree.TypeSymlink|0o777, strings.Repeat("t", 1+size/10)
		case 2:
			n.Mode, n.Rdev = tree.TypeChar|0o600, unix.Mkdev(uint32(c), uint32(i))
		case 3:
			if last.Mode&tree.TypeMask != tree.TypeDir {
				n = last
				break
			}
			n.Mode = tree.TypeFIFO | 0o600
		case 4:
			n.Mode, n.Content = tree.TypeRegular|0o644, tree.Bytes(make([]byte, size))
		case 5:
			n.Mode, n.Content = tree.TypeRegular|0o644, tree.Bytes(noise(uint64(c), size))
			n.Xattrs = []tree.Xattr{{Name: "user.a", Value: noise(uint64(c&8), size/4)}, {Name: "user.b", Value: []byte{c}}}
		default:
			n.Mode, n.Content = tree.TypeRegular|0o4711, tree.Bytes(text(uint64(c&64), size))
		}
		at.Entries[fmt.Sprintf("%d%s", i, strings.Repeat("n", min(int(c), 250)))] = n
		if last = n; n.Entries != nil {
			at = n
		} else if c == 0xff {
			at = root
		}
	}
	return root
}
