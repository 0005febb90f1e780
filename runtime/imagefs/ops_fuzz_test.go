package imagefs

import (
	"cmp"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/plan"
)

// FuzzOps (F15) has a client ask for what the bytes say, as the kernel would: of nodes
// it was told of, with any name, offset and size. The replies must fit the
// model, which is the image as a tree with the extra entries put in.
func FuzzOps(f *testing.F) {
	r := open(f, cmp.Or(images(f).full, images(f).plain))
	m := newModel(f, r.Tree)
	m.modTime, m.count, m.hasXattrs = int64(r.Super().ModTime), uint64(r.Super().Inodes), r.HasXattrs()
	ops := m.putExtras(f)
	m.index(m.root)
	for i := range 40 {
		b := make([]byte, 40<<(i%10))
		rand.NewChaCha8([32]byte{byte(i)}).Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := New(r, Options{Extra: ops})
		if err != nil {
			t.Fatal(err)
		}
		c := client{
			T: t, model: m, s: s, in: in, out: make([]byte, maxReply+1), ids: map[*tree.Node]uint64{},
			nodes: map[uint64]*tree.Node{}, numbers: map[*tree.Node]uint64{}, inodes: map[uint64]*tree.Node{},
			orders: map[*tree.Node][]string{},
		}
		c.learn(m.root, rootID)
		for len(c.in) > 0 {
			id := c.pick()
			clientOps[int(c.byte())%len(clientOps)](&c, c.nodes[id], id)
		}
		if err := s.Err(); err != nil {
			t.Error(err)
		}
	})
}

// model is what has to be shown.
type model struct {
	root      *tree.Node
	modTime   int64
	count     uint64 // of inodes
	hasXattrs bool
	links     map[*tree.Node]uint32
	parents   map[*tree.Node]*tree.Node
	names     map[*tree.Node][]string
	contents  map[*tree.Node][]byte
}

func newModel(t testing.TB, load func() (*tree.Node, error)) *model {
	root, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return &model{
		root: root, links: map[*tree.Node]uint32{}, parents: map[*tree.Node]*tree.Node{root: root},
		names: map[*tree.Node][]string{}, contents: map[*tree.Node][]byte{},
	}
}

// putExtras puts entries into the tree and returns the operations that have a
// server show the same.
func (m *model) putExtras(t testing.TB) (ops []plan.Op) {
	long := strings.Repeat("0123456789", 30_000)
	for _, e := range []struct {
		op   plan.Op
		node tree.Node
	}{
		{plan.Do(plan.Mkdir, "/etc/new", "0700"), tree.Node{Mode: tree.TypeDir | 0o700}},
		{plan.Do(plan.Write, "/etc/new/x", "0640", long), tree.Node{Mode: tree.TypeRegular | 0o640, Content: tree.Bytes(long)}},
		{plan.Do(plan.Write, "/etc/passwd", "0444", "new"), tree.Node{Mode: tree.TypeRegular | 0o444, Content: tree.Bytes("new")}},
		{plan.Do(plan.Symlink, "/etc/mtab", "/proc/mounts"), tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/proc/mounts"}},
		{plan.Do(plan.Write, "/names", "4755", ""), tree.Node{Mode: tree.TypeRegular | 0o4755}},
		{plan.Do(plan.Symlink, "/private", "etc"), tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "etc"}},
		{plan.Do(plan.Mkfile, "/big/zz", "0604"), tree.Node{Mode: tree.TypeRegular | 0o604}},
		{plan.Do(plan.Mkdir, "/run", "0700"), tree.Node{}}, // exists
	} {
		ops = append(ops, e.op)
		if e.node.Mode == 0 {
			continue
		}
		dir, err := m.root.Lookup(strings.TrimPrefix(path.Dir(e.op.Args[0]), "/"))
		if err != nil {
			t.Fatal(err)
		}
		if e.node.ModTime = m.modTime; e.node.IsDir() {
			e.node.Entries = map[string]*tree.Node{}
		}
		dir.Entries[path.Base(e.op.Args[0])] = &e.node
	}
	return ops
}

// index notes what a node does not say about itself.
func (m *model) index(dir *tree.Node) {
	m.links[dir] += 2
	m.names[dir] = slices.Sorted(maps.Keys(dir.Entries))
	for _, child := range dir.Entries {
		if !child.IsDir() {
			m.links[child]++
			continue
		}
		m.links[dir]++
		m.parents[child] = dir
		m.index(child)
	}
}

// content returns a regular file's bytes.
func (m *model) content(t *testing.T, n *tree.Node) []byte {
	if b, ok := m.contents[n]; ok || n.Content == nil {
		return b
	}
	r, err := n.Content.(interface{ Open() (io.ReadCloser, error) }).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if m.contents[n], err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return m.contents[n]
}

// client is the kernel's side.
type client struct {
	*testing.T
	*model
	s       *Server
	in, out []byte

	known   []uint64 // nodes not forgotten
	ids     map[*tree.Node]uint64
	nodes   map[uint64]*tree.Node // by id
	numbers map[*tree.Node]uint64 // of inodes
	inodes  map[uint64]*tree.Node // by number
	orders  map[*tree.Node][]string
}

// clientOps are what the client may ask of a node.
var clientOps = [...]func(c *client, n *tree.Node, id uint64){
	(*client).lookup, (*client).forget, (*client).getattr, (*client).readdir, (*client).readdirplus,
	(*client).read, (*client).readlink, (*client).getxattr, (*client).listxattr, (*client).statfs,
}

func (c *client) byte() byte {
	if len(c.in) == 0 {
		return 0
	}
	b := c.in[0]
	c.in = c.in[1:]
	return b
}

// number takes a number that is small, of some places, or any.
func (c *client) number() uint64 {
	var b [8]byte
	for i := range []int{1, 2, 3, 8}[c.byte()%4] {
		b[i] = c.byte()
	}
	return le.Uint64(b[:])
}

// pick takes a node id, often one of the first, which a large directory's
// entries soon outnumber.
func (c *client) pick() uint64 {
	among := uint64(len(c.known))
	if c.byte()%2 == 0 {
		among = min(among, 40)
	}
	return c.known[c.number()%among]
}

// near takes a number that is often close to end.
func (c *client) near(end int) uint64 {
	if c.byte()%2 == 0 {
		return max(uint64(end)+uint64(c.byte()%8), 4) - 4
	}
	return c.number()
}

// ask sends a request and returns the reply's payload, of at most limit bytes.
func (c *client) ask(want syscall.Errno, limit uint64, op uint32, id uint64, body ...byte) []byte {
	c.Helper()
	c.out[maxReply] = 0xa5
	reply, _ := c.s.handle(message(op, id, body...), c.out, true)
	if len(reply) < outHeaderSize || int(le.Uint32(reply)) != len(reply) || le.Uint64(reply[8:]) != 42 || c.out[maxReply] != 0xa5 {
		c.Fatalf("reply of %d bytes: %x", len(reply), reply[:min(len(reply), 32)])
	}
	p := reply[outHeaderSize:]
	if errno := syscall.Errno(-int32(le.Uint32(reply[4:]))); errno != want || errno != 0 && len(p) > 0 || uint64(len(p)) > limit {
		c.Fatalf("operation %d on %d, %.60x: %d bytes of %d, %v, want %v", op, id, body, len(p), limit, errno, want)
	}
	return p
}

// learn keeps a node id that came with a reply. It must be the node's only one
// and no other node's.
func (c *client) learn(n *tree.Node, id uint64) {
	c.Helper()
	if old, ok := c.ids[n]; ok && old != id || id == 0 {
		c.Fatalf("node %d (%o) is now node %d", old, n.Mode, id)
	}
	if old := c.nodes[id]; old != nil && old != n {
		c.Fatalf("node %d is two: %+v and %+v", id, old, n)
	}
	c.ids[n], c.nodes[id] = id, n
	if !slices.Contains(c.known, id) {
		c.known = append(c.known, id)
	}
}

// inode checks an inode number in the same way.
func (c *client) inode(n *tree.Node, number uint64) {
	c.Helper()
	if old, ok := c.numbers[n]; ok && old != number || number == 0 {
		c.Fatalf("inode %d (%o) is now inode %d", old, n.Mode, number)
	}
	if old := c.inodes[number]; old != nil && old != n {
		c.Fatalf("inode %d is two: %+v and %+v", number, old, n)
	}
	c.numbers[n], c.inodes[number] = number, n
}

// attributes checks a fuse_attr.
func (c *client) attributes(p []byte, n *tree.Node) {
	c.Helper()
	c.inode(n, le.Uint64(p))
	size := uint64(len(n.Target))
	if n.Type() == tree.TypeRegular {
		size = uint64(n.Size())
	}
	if got := le.Uint64(p[8:]); got != size && !n.IsDir() {
		c.Errorf("%+v: size %d", n, got)
	}
	mode, links, uid, gid, rdev := le.Uint32(p[60:]), le.Uint32(p[64:]), le.Uint32(p[68:]), le.Uint32(p[72:]), le.Uint32(p[76:])
	device := unix.Mkdev(rdev>>8&0xfff, rdev&0xff|rdev>>12&^uint32(0xff)) // new_encode_dev
	if mode != n.Mode || links != c.links[n] || uid != n.UID || gid != n.GID || device != n.Rdev || le.Uint64(p[32:]) != uint64(n.ModTime) {
		c.Errorf("%+v with %d links: mode %o, %d links, owner %d:%d, device %#x, time %d", n, c.links[n], mode, links, uid, gid, rdev, le.Uint64(p[32:]))
	}
}

// entry checks a fuse_entry_out.
func (c *client) entry(p []byte, n *tree.Node) {
	c.Helper()
	if len(p) < entryOutSize || le.Uint64(p[16:]) == 0 || le.Uint64(p[24:]) == 0 {
		c.Fatalf("entry %x", p)
	}
	c.attributes(p[40:], n)
	c.learn(n, le.Uint64(p))
}
