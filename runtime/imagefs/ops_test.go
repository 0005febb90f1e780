package imagefs

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/image/tree"
)

// What FuzzOps' client asks, and how it judges the answers.

// name takes the name of an entry of n, or any other.
func (c *client) name(n *tree.Node) string {
	names := c.names[n]
	switch kind := c.byte(); {
	case kind < 200 && len(names) > 0:
		return names[c.number()%uint64(len(names))]
	case kind < 230:
		length := int(c.byte())
		b := c.in[:min(len(c.in), length)]
		c.in = c.in[len(b):]
		name, _, _ := strings.Cut(string(b), "\x00")
		return name
	}
	return strings.Repeat("n", 250+int(c.byte()%12))
}

func (c *client) lookup(n *tree.Node, id uint64) {
	name := c.name(n)
	var want syscall.Errno
	switch {
	case !n.IsDir():
		want = syscall.ENOTDIR
	case len(name) > 255:
		want = syscall.ENAMETOOLONG
	}
	p := c.ask(want, entryOutSize, opLookup, id, text(name)...)
	switch child := n.Entries[name]; {
	case want != 0:
	case child != nil:
		c.entry(p, child)
	case len(p) != entryOutSize || le.Uint64(p) != 0 || le.Uint64(p[16:]) == 0:
		c.Errorf("entry of the missing name %q: %x", name, p)
	}
}

func (c *client) forget(_ *tree.Node, id uint64) {
	for _, op := range []uint32{opForget, opBatchForget, opInterrupt} {
		if reply, _ := c.s.handle(message(op, id, 1, 0, 0, 0, 0, 0, 0, 0), c.out, true); reply != nil {
			c.Errorf("operation %d is answered %x", op, reply)
		}
	}
	if id != rootID {
		c.known = slices.DeleteFunc(c.known, func(k uint64) bool { return k == id })
	}
}

func (c *client) getattr(n *tree.Node, id uint64) {
	p := c.ask(0, attrOutSize, opGetattr, id, make([]byte, 16)...)
	if len(p) != attrOutSize {
		c.Fatalf("attributes %x", p)
	}
	c.attributes(p[16:], n)
}

func (c *client) readdir(n *tree.Node, id uint64) { c.list(n, id, opReaddir) }

func (c *client) readdirplus(n *tree.Node, id uint64) { c.list(n, id, opReaddirplus) }

// list reads a piece of a listing from anywhere.
func (c *client) list(n *tree.Node, id uint64, op uint32) {
	if !n.IsDir() {
		c.ask(syscall.ENOTDIR, 0, op, id, readBody(c.number(), 4096)...)
		return
	}
	order := c.order(n, id)
	off, size := c.near(len(order)), uint32(c.near(4096))
	got, used := c.piece(n, id, op, off, size)
	rest := order[min(off, uint64(len(order))):]
	if len(got) > len(rest) || !slices.Equal(got, rest[:len(got)]) {
		c.Fatalf("%q after entry %d of %q", got, off, order)
	}
	if rest = rest[len(got):]; len(rest) > 0 && used+recordLen(rest[0], op) <= int(min(size, maxData)) {
		c.Errorf("%d bytes from entry %d on end before %q, after %d", size, off, rest[0], used)
	}
}

// order returns the names of the whole listing, which must stay as they are.
func (c *client) order(n *tree.Node, id uint64) []string {
	if order := c.orders[n]; order != nil {
		return order
	}
	var order []string
	for {
		got, _ := c.piece(n, id, opReaddir, uint64(len(order)), maxData)
		if len(got) == 0 {
			break
		}
		order = append(order, got...)
	}
	if len(order) < 2 || order[0] != "." || order[1] != ".." || !slices.Equal(slices.Sorted(slices.Values(order[2:])), c.names[n]) {
		c.Fatalf("listing %q, want %q", order, c.names[n])
	}
	c.orders[n] = order
	return order
}

// recordLen returns the bytes of an entry of a listing.
func recordLen(name string, op uint32) int {
	n := (24 + len(name) + 7) / 8 * 8
	if op == opReaddirplus {
		n += 128
	}
	return n
}

// piece reads a piece of a listing, checks each entry and returns the names.
func (c *client) piece(n *tree.Node, id uint64, op uint32, off uint64, size uint32) (names []string, used int) {
	p := c.ask(0, uint64(size), op, id, readBody(off, size)...)
	used = len(p)
	for len(p) > 0 {
		e := p
		if op == opReaddirplus {
			e = p[min(len(p), 128):]
		}
		if len(e) < 24 || int(le.Uint32(e[16:])) > len(e)-24 {
			c.Fatalf("a listing ends in %x", e)
		}
		name := string(e[24 : 24+le.Uint32(e[16:])])
		length := recordLen(name, op)
		if length > len(p) || len(bytes.Trim(p[length-(-(24+len(name))&7):length], "\x00")) > 0 {
			c.Fatalf("a listing ends in %x", e)
		}
		if off++; le.Uint64(e[8:]) != off {
			c.Fatalf("%q says that %d is next, not %d", name, le.Uint64(e[8:]), off)
		}
		c.listed(n, name, e, p[:length-len(e[:recordLen(name, opReaddir)])])
		names = append(names, name)
		p = p[length:]
	}
	return names, used
}

// listed checks one entry of the listing of n, and the node before it.
func (c *client) listed(n *tree.Node, name string, e, node []byte) {
	child := n.Entries[name]
	dots := name == "." || name == ".."
	switch name {
	case ".":
		child = n
	case "..":
		child = c.parents[n]
	}
	if child == nil || le.Uint32(e[20:]) != child.Mode>>12 {
		c.Fatalf("%q is listed as %x", name, e[:24])
	}
	c.inode(child, le.Uint64(e))
	switch {
	case len(node) == 0:
	case !dots:
		c.entry(node, child)
	case le.Uint64(node) != 0:
		c.Errorf("%s comes with node %d", name, le.Uint64(node))
	}
}

func (c *client) read(n *tree.Node, id uint64) {
	switch n.Type() {
	case tree.TypeDir:
		c.ask(syscall.EISDIR, 0, opRead, id, readBody(c.number(), 4096)...)
		return
	case tree.TypeRegular:
	default:
		return // the kernel does not ask
	}
	content := c.content(c.T, n)
	off, size := c.near(len(content)), uint32(c.near(maxData))
	if off > math.MaxInt64 {
		c.ask(syscall.EINVAL, 0, opRead, id, readBody(off, size)...)
		return
	}
	p := c.ask(0, uint64(size), opRead, id, readBody(off, size)...)
	want := content[min(off, uint64(len(content))):]
	if want = want[:min(len(want), int(size), maxData)]; !bytes.Equal(p, want) {
		c.Errorf("%d bytes at %d of %d: %d that are not the file's %d", size, off, len(content), len(p), len(want))
	}
}

func (c *client) readlink(n *tree.Node, id uint64) {
	if n.Type() != tree.TypeSymlink {
		c.ask(syscall.EINVAL, 0, opReadlink, id)
		return
	}
	if p := c.ask(0, 4096, opReadlink, id); string(p) != n.Target {
		c.Errorf("link %q, want %q", p, n.Target)
	}
}

// getxattr asks for an attribute the node has, or that some other has.
func (c *client) getxattr(n *tree.Node, id uint64) {
	attrs := map[string]string{}
	for _, a := range n.Xattrs {
		attrs[a.Name] = string(a.Value)
	}
	name := []string{"user.colour", "user.empty", "security.capability", "trusted.secret", ""}[c.byte()%5]
	if names := slices.Sorted(maps.Keys(attrs)); len(names) > 0 && c.byte()%2 == 0 {
		name = names[int(c.byte())%len(names)]
	}
	value, ok := attrs[name]
	missing := syscall.ENODATA
	if ok {
		missing = 0
	}
	c.xattr(opGetxattr, id, value, missing, text(name))
}

func (c *client) listxattr(n *tree.Node, id uint64) {
	var list strings.Builder
	for _, a := range n.Xattrs {
		if !strings.HasPrefix(a.Name, "trusted.") {
			list.WriteString(a.Name + "\x00")
		}
	}
	c.xattr(opListxattr, id, list.String(), 0, nil)
}

// xattr asks for a value with a size that may be 0, too small, or enough.
func (c *client) xattr(op uint32, id uint64, value string, want syscall.Errno, rest []byte) {
	size := uint32(c.near(len(value)))
	body := le.AppendUint32(le.AppendUint32(nil, size), 0)
	switch {
	case !c.hasXattrs:
		want = syscall.ENOSYS
	case want == 0 && size != 0 && int(size) < len(value):
		want = syscall.ERANGE
	}
	p := c.ask(want, max(uint64(size), 8), op, id, append(body, rest...)...)
	switch {
	case want != 0:
	case size == 0 && (len(p) != 8 || int(le.Uint32(p)) != len(value)):
		c.Errorf("length of %q: %x", value, p)
	case size != 0 && string(p) != value:
		c.Errorf("got %q, want %q", p, value)
	}
}

func (c *client) statfs(_ *tree.Node, id uint64) {
	p := c.ask(0, statfsOutSize, opStatfs, id)
	if len(p) != statfsOutSize || le.Uint64(p) == 0 || le.Uint64(p[8:]) != 0 || le.Uint64(p[24:]) < c.count || le.Uint32(p[44:]) != 255 {
		c.Errorf("%x", p)
	}
}
