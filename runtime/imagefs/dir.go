package imagefs

import (
	"math"
	"slices"
	"sync"
	"syscall"

	"github.com/sealift/sealift/image/squashfs/format"
)

// listing is what a directory shows after "." and "..": entries of the image,
// then synthesised ones.
type listing struct {
	entries []format.DirEntry
	extras  *extra // nil, or the directory whose names follow
}

// list reads the directory n.
func (s *Server) list(n node) (*listing, error) {
	l := &listing{extras: n.x}
	if n.ino == nil {
		return l, nil
	}
	var err error
	if l.entries, err = s.r.ReadDir(n.ino); err != nil || n.x == nil {
		return l, err
	}
	l.entries = slices.Clone(l.entries) // the reader keeps its own
	l.entries = slices.DeleteFunc(l.entries, func(e format.DirEntry) bool {
		return n.x.children[e.Name] != nil
	})
	return l, nil
}

// listings keeps those being read: a listing is asked for in pieces, by an
// offset that is an index, and one too large for the reader's cache would
// otherwise be decoded for each piece. A listing read to its end is dropped:
// the kernel keeps a copy.
type listings struct {
	mu    sync.Mutex
	slots [8]struct {
		id   uint64
		list *listing
	}
	next int
}

func (c *listings) get(id uint64) *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, slot := range c.slots {
		if slot.id == id {
			return slot.list
		}
	}
	return nil
}

func (c *listings) put(id uint64, l *listing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots[c.next].id, c.slots[c.next].list = id, l
	c.next = (c.next + 1) % len(c.slots)
}

func (c *listings) drop(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.slots {
		if c.slots[i].id == id {
			c.slots[i].id, c.slots[i].list = 0, nil
		}
	}
}

// dirent is one entry of a listing as readdir(3) shows it.
type dirent struct {
	name string
	ino  uint64
	kind uint32 // DT_REG and so on: the type bits of st_mode, shifted
}

// dirKinds are the DT_ values of the basic inode types.
var dirKinds = [...]uint32{
	format.Dir: syscall.DT_DIR, format.Reg: syscall.DT_REG, format.Symlink: syscall.DT_LNK,
	format.Block: syscall.DT_BLK, format.Char: syscall.DT_CHR, format.FIFO: syscall.DT_FIFO,
	format.Socket: syscall.DT_SOCK,
}

// doReaddir answers READDIR and READDIRPLUS. The offset of an entry is the
// index of the next one, where "." is 0 and ".." is 1; it stays valid for ever.
func (s *Server) doReaddir(q request, p []byte) (int, error) {
	if len(q.body) < readInSize {
		return 0, syscall.EINVAL
	}
	off, size := le.Uint64(q.body[8:]), le.Uint32(q.body[16:])
	n, err := s.node(q.node)
	if err != nil {
		return 0, err
	}
	if !n.isDir() {
		return 0, syscall.ENOTDIR
	}
	l := s.lists.get(n.id)
	if l == nil {
		if l, err = s.list(n); err != nil {
			return 0, err
		}
		s.lists.put(n.id, l)
	}
	plus := q.op == opReaddirplus
	p = p[:min(uint64(size), uint64(len(p)))]
	used := 0
	for ; off < math.MaxInt32; off++ {
		m := s.putDirent(p[used:], n, l, int(off), plus)
		if m == 0 {
			break
		}
		used += m
	}
	if used == 0 { // the end
		s.lists.drop(n.id)
	}
	return used, nil
}

func (l *listing) len() int {
	n := 2 + len(l.entries)
	if l.extras != nil {
		n += len(l.extras.names)
	}
	return n
}

// putDirent writes entry i of the directory n, and before it its node when plus
// is set. It returns 0 when p is too short or there is no such entry.
func (s *Server) putDirent(p []byte, n node, l *listing, i int, plus bool) int {
	if i >= l.len() {
		return 0
	}
	var e dirent
	child := node{} // node id 0 tells the kernel to look the name up
	switch entries := len(l.entries); {
	case i == 0:
		e = dirent{".", s.attr(n).ino, syscall.DT_DIR}
	case i == 1:
		e = dirent{"..", s.parent(n), syscall.DT_DIR}
	case i-2 < entries:
		d := &l.entries[i-2]
		e = dirent{name: d.Name, ino: uint64(d.Number)}
		if int(d.Type) < len(dirKinds) {
			e.kind = dirKinds[d.Type]
		}
		if plus && len(p) >= direntLen(e.name, plus) {
			// An inode that cannot be read fails the lookup, not the listing.
			child, _ = s.node(s.imageID(d.Ref))
		}
	default:
		name := l.extras.names[i-2-entries]
		child = l.extras.children[name].node()
		e = dirent{name, child.x.number, child.x.mode >> 12}
	}
	total := direntLen(e.name, plus)
	if len(p) < total {
		return 0
	}
	if plus {
		if child.id == 0 || child.ino == nil && child.x == nil {
			clear(p[:entryOutSize])
		} else {
			s.putEntry(p, child)
		}
		p = p[entryOutSize:]
	}
	le.PutUint64(p, e.ino)
	le.PutUint64(p[8:], uint64(i)+1)
	le.PutUint32(p[16:], uint32(len(e.name)))
	le.PutUint32(p[20:], e.kind)
	clear(p[direntSize+copy(p[direntSize:], e.name) : direntLen(e.name, false)])
	return total
}

// direntLen returns the bytes of a fuse_dirent, or fuse_direntplus, with this
// name: padded to a multiple of eight.
func direntLen(name string, plus bool) int {
	n := (direntSize + len(name) + 7) &^ 7
	if plus {
		n += entryOutSize
	}
	return n
}

// parent returns the inode number of the directory above n; the root is above
// itself.
func (s *Server) parent(n node) uint64 {
	switch {
	case n.id == rootID:
		return s.attr(n).ino
	case n.x != nil:
		return n.x.parent.number
	}
	return uint64(n.ino.Parent)
}
