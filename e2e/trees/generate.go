package trees

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// Feature is a kind of tree.
type Feature struct {
	Name string
	// BigValues are extended attributes that few file systems but SquashFS
	// hold.
	BigValues bool
	// Large trees take seconds.
	Large bool
	grow  func(m *maker, dir *tree.Node)
}

// Tree returns a tree that has the feature, for an image of the given block
// size.
func (f Feature) Tree(seed uint64, blockSize int) *tree.Node {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, uint64(blockSize))), block: blockSize}
	root := m.dir()
	f.grow(m, root)
	return root
}

// Random returns a mix of features in directories at random, with hard links
// between them.
func Random() Feature {
	return Feature{Name: "mix", grow: func(m *maker, root *tree.Node) {
		dirs := []*tree.Node{root}
		for i := range 7 {
			dir := m.put(dirs[m.IntN(len(dirs))], fmt.Sprintf("%d", i), m.dir())
			dirs = append(dirs, dir)
			if f := features[m.IntN(len(features))]; !f.Large && !f.BigValues {
				f.grow(m, dir)
			}
			for range m.IntN(5) {
				n := m.file(m.any(m.IntN(3 * m.block)))
				m.put(dir, fmt.Sprintf("f%x", m.Uint32()), n)
				m.put(dirs[m.IntN(len(dirs))], fmt.Sprintf("l%x", m.Uint32()), n)
			}
		}
	}}
}

// Features returns one feature for each oddity that a tree can have.
func Features() []Feature { return append([]Feature(nil), features...) }

// maker makes nodes, always the same for one seed.
type maker struct {
	*rand.Rand
	block int
}

func (m *maker) node(mode uint32) *tree.Node {
	return &tree.Node{Mode: mode, UID: m.Uint32N(1000), GID: m.Uint32N(1000), ModTime: int64(m.Uint32())}
}

func (m *maker) dir() *tree.Node {
	n := m.node(tree.TypeDir | 0o755)
	n.Entries = map[string]*tree.Node{}
	return n
}

func (m *maker) file(b []byte) *tree.Node {
	n := m.node(tree.TypeRegular | 0o644)
	n.Content = tree.Bytes(b)
	return n
}

func (m *maker) link(target string) *tree.Node {
	n := m.node(tree.TypeSymlink | 0o777)
	n.Target = target
	return n
}

func (m *maker) device(typ uint32, rdev uint64) *tree.Node {
	n := m.node(typ | 0o600)
	n.Rdev = rdev
	return n
}

// put names a node and returns it.
func (m *maker) put(dir *tree.Node, name string, n *tree.Node) *tree.Node {
	dir.Entries[name] = n
	return n
}

// with sets extended attributes, given as names and values in the order of
// names.
func (m *maker) with(n *tree.Node, pairs ...string) *tree.Node {
	for i := 0; i < len(pairs); i += 2 {
		n.Xattrs = append(n.Xattrs, tree.Xattr{Name: pairs[i], Value: []byte(pairs[i+1])})
	}
	return n
}

// noise is bytes that do not compress, text bytes that do.
func (m *maker) noise(size int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], m.Uint64())
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}

func (m *maker) text(size int) []byte {
	b := make([]byte, 0, size+32)
	for len(b) < size {
		b = fmt.Appendf(b, "line %d\n", m.IntN(5000))
	}
	return b[:size]
}

// any is noise, text or zeros.
func (m *maker) any(size int) []byte {
	return []func(int) []byte{m.noise, m.text, func(n int) []byte { return make([]byte, n) }}[m.IntN(3)](size)
}

// sizes are lengths around those of blocks.
func (m *maker) sizes() []int {
	return []int{0, 1, 2, m.block - 1, m.block, m.block + 1, 2*m.block - 1, 2 * m.block, 2*m.block + 1}
}

// fill puts n nodes with names of the given length or one digit more.
func (m *maker) fill(dir *tree.Node, n, length int, next func(i int) *tree.Node) {
	for i := range n {
		name := fmt.Sprintf("%05d", i)
		m.put(dir, name+strings.Repeat("x", max(0, length-len(name)-i%3)), next(i))
	}
}

func (m *maker) everyType() map[string]*tree.Node {
	return map[string]*tree.Node{
		"file": m.file(m.text(100)), "empty": m.file(nil), "dir": m.dir(), "link": m.link("file"),
		"char": m.device(tree.TypeChar, 0x103), "block": m.device(tree.TypeBlock, 0x801),
		"fifo": m.node(tree.TypeFIFO | 0o644), "socket": m.node(tree.TypeSocket | 0o755),
	}
}
