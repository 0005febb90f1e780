package imagefs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"syscall"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/starter/plan"
)

// extra is a synthesised inode. A directory with a base is the image's
// directory with entries added or replaced.
type extra struct {
	id     uint64
	number uint64 // inode number
	mode   uint32 // type and permissions as in st_mode
	nlink  uint32
	data   string // content of a file, text of a link
	base   *squashfs.Inode

	parent   *extra // nil for the root
	children map[string]*extra
	names    []string // of children, sorted
}

func (x *extra) node() node  { return node{id: x.id, ino: x.base, x: x} }
func (x *extra) isDir() bool { return x.mode&syscall.S_IFMT == syscall.S_IFDIR }

// addExtras applies the operations in order and freezes the result.
func (s *Server) addExtras(ops []plan.Op) error {
	for _, op := range ops {
		if err := s.apply(op); err != nil {
			return fmt.Errorf("%s %q: %w", op.Verb, op.Args[:min(1, len(op.Args))], err)
		}
	}
	if s.root.x == nil {
		return nil
	}
	return s.freeze(s.root.x)
}

// apply carries out one operation.
func (s *Server) apply(op plan.Op) error {
	x, err := synthesise(op)
	if err != nil {
		return err
	}
	replace := op.Verb == plan.Write || op.Verb == plan.Symlink
	at, err := s.resolve(op.Args[0], !replace)
	switch {
	case err != nil:
		return err
	case at.found && !replace:
		return nil
	case at.name == "":
		return syscall.EISDIR
	}
	s.add(at.dir, at.name, x)
	return nil
}

// synthesise returns the inode that op makes.
func synthesise(op plan.Op) (*extra, error) {
	args := map[plan.Verb]int{plan.Mkdir: 2, plan.Mkfile: 2, plan.Write: 3, plan.Symlink: 2}[op.Verb]
	switch {
	case args == 0:
		return nil, errors.New("an image cannot show this operation")
	case len(op.Args) != args:
		return nil, fmt.Errorf("%d arguments instead of %d", len(op.Args), args)
	case op.Verb == plan.Symlink && len(op.Args[1]) > format.MaxSymlink:
		return nil, fmt.Errorf("target: %w", syscall.ENAMETOOLONG) // the kernel takes no longer reply
	case op.Verb == plan.Symlink:
		return &extra{mode: syscall.S_IFLNK | 0o777, data: op.Args[1]}, nil
	}
	octal, content := op.Args[1], ""
	if op.Verb == plan.Write {
		octal, content = plan.Content(octal, op.Args[2])
	}
	perm, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return nil, fmt.Errorf("mode %q is not octal permissions", op.Args[1])
	}
	x := &extra{mode: syscall.S_IFREG | uint32(perm)}
	switch op.Verb {
	case plan.Mkdir:
		x.mode = syscall.S_IFDIR | uint32(perm)
	case plan.Write:
		x.data = content
	}
	return x, nil
}

// add makes x the entry name of the directory that dir leads to. Image
// directories on the way become merged ones, in dir too.
func (s *Server) add(dir []step, name string, x *extra) *extra {
	for i := range dir {
		if dir[i].node.x != nil {
			continue
		}
		d := s.extra(&extra{mode: syscall.S_IFDIR, base: dir[i].node.ino})
		if i == 0 {
			d.id = rootID
			s.root = d.node()
		} else {
			dir[i-1].node.x.adopt(dir[i].name, d)
		}
		dir[i].node = d.node()
	}
	dir[len(dir)-1].node.x.adopt(name, s.extra(x))
	return x
}

// extra gives x its ids.
func (s *Server) extra(x *extra) *extra {
	i := uint64(len(s.extras))
	x.id = extraBit | i
	x.number = uint64(s.super.Inodes) + 1 + i
	if x.base != nil {
		x.number = uint64(x.base.Number)
	}
	if x.isDir() {
		x.children = map[string]*extra{}
	}
	s.extras = append(s.extras, x)
	return x
}

func (d *extra) adopt(name string, x *extra) {
	x.parent = d
	d.children[name] = x
}

// freeze sorts the names below x and counts links the way directories do: two,
// and one for every directory inside.
func (s *Server) freeze(x *extra) error {
	x.nlink = 1
	if !x.isDir() {
		return nil
	}
	x.nlink = 2
	if x.base != nil {
		x.nlink = x.base.Nlink
	}
	x.names = slices.Sorted(maps.Keys(x.children))
	for _, name := range x.names {
		c := x.children[name]
		if c.isDir() {
			x.nlink++
		}
		if x.base != nil {
			hidden, found, err := s.find(node{ino: x.base}, name)
			if err != nil {
				return err
			}
			if found && hidden.isDir() {
				x.nlink--
			}
		}
		if err := s.freeze(c); err != nil {
			return err
		}
	}
	return nil
}
