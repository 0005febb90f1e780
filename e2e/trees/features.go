package trees

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

var features = slices.Concat(contents, names, attributes)

// capability is cap_net_raw=ep as security.capability holds it.
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// contents are features of files' bytes.
var contents = []Feature{
	{Name: "noise of every size", grow: func(m *maker, dir *tree.Node) {
		for _, size := range m.sizes() {
			m.put(dir, fmt.Sprint(size), m.file(m.noise(size)))
		}
	}},
	{Name: "text of every size", grow: func(m *maker, dir *tree.Node) {
		for _, size := range m.sizes() {
			m.put(dir, fmt.Sprint(size), m.file(m.text(size)))
		}
	}},
	{Name: "zeros of every size", grow: func(m *maker, dir *tree.Node) {
		for _, size := range m.sizes() {
			m.put(dir, fmt.Sprint(size), m.file(make([]byte, size)))
		}
	}},
	{Name: "hole at the start", grow: func(m *maker, dir *tree.Node) { m.holes(dir, 1, 0, 0) }},
	{Name: "hole in the middle", grow: func(m *maker, dir *tree.Node) { m.holes(dir, 0, 1, 0) }},
	{Name: "hole at the end", grow: func(m *maker, dir *tree.Node) { m.holes(dir, 0, 0, 1) }},
	{Name: "holes everywhere", grow: func(m *maker, dir *tree.Node) { m.holes(dir, 1, 2, 1) }},
	{Name: "small duplicates", grow: func(m *maker, dir *tree.Node) {
		for i := range 20 {
			b := m.text(i * 37)
			m.put(dir, fmt.Sprint("a", i), m.file(b))
			m.put(dir, fmt.Sprint("b", i), m.file(bytes.Clone(b)))
		}
	}},
	{Name: "large duplicates", grow: func(m *maker, dir *tree.Node) {
		for _, size := range []int{m.block, m.block + 5, 3 * m.block, 3*m.block + 7} {
			b := m.noise(size)
			m.put(dir, fmt.Sprint("a", size), m.file(b))
			m.put(dir, fmt.Sprint("between", size), m.file(m.noise(size/2)))
			m.put(dir, fmt.Sprint("b", size), m.file(bytes.Clone(b)))
		}
	}},
	{Name: "same size, other content", grow: func(m *maker, dir *tree.Node) {
		b := m.noise(3*m.block + 9)
		for at := 0; at < len(b); at += m.block {
			b = bytes.Clone(b)
			b[at]++
			m.put(dir, fmt.Sprint(at), m.file(b))
			m.put(dir, fmt.Sprint("small", at), m.file(b[at:][:9]))
		}
	}},
	{Name: "many fragments", grow: func(m *maker, dir *tree.Node) {
		m.fill(dir, 700, 0, func(i int) *tree.Node { return m.file(m.noise(1 + i%999)) })
	}},
	{Name: "starts of others", grow: func(m *maker, dir *tree.Node) {
		b := m.text(2*m.block + 100)
		for _, size := range []int{10, m.block, m.block + 10, 2 * m.block, len(b)} {
			m.put(dir, fmt.Sprint(size), m.file(b[:size]))
			m.put(dir, fmt.Sprint("end", size), m.file(b[len(b)-size:]))
		}
	}},
}

// holes puts files with whole blocks of zeros and with zeros off the block's
// borders.
func (m *maker) holes(dir *tree.Node, start, middle, end int) {
	for i, off := range []int{0, 1, m.block / 2} {
		zeros := func(n int) []byte { return make([]byte, n*(m.block+off)) }
		b := slices.Concat(zeros(start), m.text(m.block-1), zeros(middle), m.noise(m.block+1), zeros(end))
		m.put(dir, fmt.Sprint("off", i), m.file(b))
	}
}

// names are features of names and of the directories that hold them.
var names = []Feature{
	{Name: "nothing", grow: func(*maker, *tree.Node) {}},
	{Name: "empty directories", grow: func(m *maker, dir *tree.Node) {
		m.fill(dir, 5, 0, func(int) *tree.Node { return m.dir() })
	}},
	{Name: "1 entry", grow: func(m *maker, dir *tree.Node) { m.put(dir, "1", m.file(nil)) }},
	{Name: "255 entries", grow: func(m *maker, dir *tree.Node) { m.many(dir, 255) }},
	{Name: "256 entries", grow: func(m *maker, dir *tree.Node) { m.many(dir, 256) }},
	{Name: "257 entries", grow: func(m *maker, dir *tree.Node) { m.many(dir, 257) }},
	{Name: "indexed directory", grow: func(m *maker, dir *tree.Node) {
		m.fill(dir, 400, 250, func(i int) *tree.Node { return m.file([]byte{byte(i)}) })
	}},
	{Name: "70,000 entries", Large: true, grow: func(m *maker, dir *tree.Node) {
		many, near := m.put(dir, "many", m.dir()), m.put(dir, "near", m.dir())
		m.fill(many, 70_000, 0, func(i int) *tree.Node { return m.link(fmt.Sprint(i)) })
		for i, name := range many.Names() { // inode numbers farther apart than a header can say
			if i%7000 == 0 {
				m.put(near, name, many.Entries[name])
			}
		}
	}},
	{Name: "deep directories", grow: func(m *maker, dir *tree.Node) {
		for range 300 {
			dir = m.put(dir, "down", m.dir())
		}
		m.put(dir, "bottom", m.file(m.text(10)))
	}},
	{Name: "longest paths", grow: func(m *maker, dir *tree.Node) {
		for range 14 {
			dir = m.put(dir, strings.Repeat("d", 255), m.dir())
		}
		m.put(dir, strings.Repeat("f", 255), m.file(m.text(10)))
	}},
	{Name: "long names", grow: func(m *maker, dir *tree.Node) {
		for _, c := range "abc" {
			m.put(dir, strings.Repeat(string(c), 255), m.file(nil))
			m.put(dir, strings.Repeat(string(c), 254), m.dir())
		}
	}},
	{Name: "binary names", grow: func(m *maker, dir *tree.Node) {
		for c := 1; c < 256; c++ {
			if c != '/' && c != '.' {
				m.put(dir, string([]byte{byte(c)}), m.file(nil))
			}
			if c != '/' {
				m.put(dir, string([]byte{'a', byte(c)}), m.file(nil))
			}
		}
		for _, name := range []string{"...", "..a", " ", "\xff\xfe", "new\nline", "é", "-rf"} {
			m.put(dir, name, m.file(nil))
		}
	}},
	{Name: "symbolic links", grow: func(m *maker, dir *tree.Node) {
		for _, target := range []string{"x", ".", "/", "../..", "\xff\n", strings.Repeat("t/", 1000)} {
			m.put(dir, fmt.Sprintf("%.3x", target), m.link(target))
		}
		m.put(dir, "long", m.link(strings.Repeat("t", 4095)))
	}},
	{Name: "hard links", grow: func(m *maker, dir *tree.Node) {
		a, b := m.put(dir, "a", m.dir()), m.put(dir, "b", m.dir())
		for _, size := range m.sizes() {
			n := m.file(m.text(size))
			m.put(a, fmt.Sprint(size), n)
			m.put(b, fmt.Sprint(size), n)
			m.put(b, fmt.Sprint(size, " again"), n)
		}
	}},
	{Name: "hard links of every type", grow: func(m *maker, dir *tree.Node) {
		other := m.put(dir, "other", m.dir())
		for name, n := range m.everyType() {
			m.put(dir, name, n)
			if !n.IsDir() {
				m.put(other, name, n)
				m.put(dir, name+"2", m.with(n, "trusted.a", "b"))
			}
		}
	}},
}

func (m *maker) many(dir *tree.Node, n int) {
	m.fill(dir, n, 0, func(i int) *tree.Node { return m.file([]byte(fmt.Sprint(i % 9))) })
}

// attributes are features of inodes.
var attributes = []Feature{
	{Name: "every type", grow: func(m *maker, dir *tree.Node) { dir.Entries = m.everyType() }},
	{Name: "devices", grow: func(m *maker, dir *tree.Node) {
		for i, minor := range []uint32{0, 1, 255, 256, 65535, 1<<20 - 1} {
			for _, major := range []uint32{0, 1, 255, 259, 4095} {
				m.put(dir, fmt.Sprint("c", major, ".", i), m.device(tree.TypeChar, unix.Mkdev(major, minor)))
				m.put(dir, fmt.Sprint("b", major, ".", i), m.device(tree.TypeBlock, unix.Mkdev(major, minor)))
			}
		}
	}},
	{Name: "permissions", grow: func(m *maker, dir *tree.Node) {
		for _, perm := range []uint32{0, 1, 0o777, 0o4755, 0o2755, 0o1777, 0o6711, 0o7777, 0o4000} {
			m.put(dir, fmt.Sprintf("f%o", perm), m.node(tree.TypeRegular|perm))
			m.put(dir, fmt.Sprintf("d%o", perm), m.dir()).Mode = tree.TypeDir | perm
		}
		dir.Mode = tree.TypeDir | 0o1511
	}},
	{Name: "large ids", grow: func(m *maker, dir *tree.Node) {
		for i, id := range []uint32{65534, 65535, 65536, 1<<31 - 1, 1 << 31, math.MaxUint32 - 1} {
			n := m.put(dir, fmt.Sprint(i), m.file(nil))
			n.UID, n.GID = id, math.MaxUint32-1-id
		}
		dir.UID, dir.GID = 100000, 200000
	}},
	{Name: "many ids", grow: func(m *maker, dir *tree.Node) {
		m.fill(dir, 2500, 0, func(i int) *tree.Node {
			n := m.file(nil)
			n.UID, n.GID = uint32(i)<<12, uint32(i)<<12|1
			return n
		})
	}},
	{Name: "times", grow: func(m *maker, dir *tree.Node) {
		for i, seconds := range []int64{0, 1, 1<<31 - 1, 1 << 31, math.MaxUint32} {
			m.put(dir, fmt.Sprint("f", i), m.file(nil)).ModTime = seconds
			m.put(dir, fmt.Sprint("d", i), m.dir()).ModTime = seconds
			m.put(dir, fmt.Sprint("l", i), m.link("x")).ModTime = seconds
		}
		dir.ModTime = math.MaxUint32
	}},
	{Name: "capabilities", grow: func(m *maker, dir *tree.Node) {
		for i := range 3 {
			m.put(dir, fmt.Sprint(i), m.with(m.file(m.text(i*100)), "security.capability", capability))
		}
	}},
	{Name: "attributes of every namespace", grow: func(m *maker, dir *tree.Node) {
		all := []string{"security.test", "s", "trusted.overlay.opaque", "y", "user.a.b", "", "user.\xff\n", "v"}
		m.put(dir, "file", m.with(m.file(m.text(50)), all...))
		m.put(dir, "dir", m.with(m.dir(), all...))
		m.put(dir, strings.Repeat("n", 255), m.with(m.file(nil), "user."+strings.Repeat("x", 250), "long"))
		m.with(dir, all...)
	}},
	{Name: "attributes of every type", grow: func(m *maker, dir *tree.Node) {
		for name, n := range m.everyType() {
			m.put(dir, name, m.with(n, "security.t", name, "trusted.t", "same on all of them"))
		}
	}},
	{Name: "shared attributes", grow: func(m *maker, dir *tree.Node) {
		value := string(m.noise(1500))
		m.fill(dir, 60, 0, func(i int) *tree.Node {
			return m.with(m.file(nil), "user.own", fmt.Sprint(i), "user.shared", value, "user.small", "12345678")
		})
	}},
	{Name: "many attributes", grow: func(m *maker, dir *tree.Node) {
		for i := range 20 {
			n := m.put(dir, fmt.Sprint(i), m.file(nil))
			for k := range 40 {
				m.with(n, fmt.Sprintf("user.%03d", k), string(m.text(i+k)))
			}
		}
	}},
	{Name: "large attributes", BigValues: true, grow: func(m *maker, dir *tree.Node) {
		shared := string(m.noise(64 << 10))
		for i := range 3 {
			m.put(dir, fmt.Sprint(i), m.with(m.file(nil), "user.a", string(m.text(20_000+i)), "user.b", shared))
		}
	}},
}
