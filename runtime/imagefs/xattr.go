package imagefs

import (
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/owner"
)

// doXattr answers GETXATTR and LISTXATTR: with the length of the answer when
// the size given is 0, with the answer, or with ERANGE when it is too long
// (getxattr(2), listxattr(2)). ENOSYS, when the image has none at all, keeps
// the kernel from asking for the capabilities of each program it starts.
func (s *Server) doXattr(q request, p []byte) (int, error) {
	if !s.r.HasXattrs() && !s.hidesOwners {
		return 0, syscall.ENOSYS
	}
	if len(q.body) < getxattrInSize {
		return 0, syscall.EINVAL
	}
	size := le.Uint32(q.body)
	n, err := s.node(q.node)
	if err != nil {
		return 0, err
	}
	attrs, err := s.xattrs(n)
	if err != nil {
		return 0, err
	}
	p = p[:min(uint64(size), uint64(len(p)))]
	var used int
	if q.op == opListxattr {
		used = listNames(p, attrs)
	} else if used, err = getValue(p, attrs, q.body[getxattrInSize:]); err != nil {
		return 0, err
	}
	switch {
	case size == 0:
		p = p[:8]
		clear(p)
		le.PutUint32(p, uint32(used))
		return len(p), nil
	case used > len(p):
		return 0, syscall.ERANGE
	}
	return used, nil
}

// xattrs returns the attributes of n. A synthesised inode has none.
func (s *Server) xattrs(n node) ([]tree.Xattr, error) {
	if n.ino == nil {
		return nil, nil
	}
	var attrs []tree.Xattr
	if n.ino.Xattr != format.NoXattr {
		var err error
		if attrs, err = s.r.Xattrs(n.ino); err != nil {
			return nil, err
		}
	}
	if s.hidesOwners {
		attrs = withOwner(attrs, n.ino)
	}
	return attrs, nil
}

// withOwner adds the attribute that says who owns ino to attrs, which are the
// image's and stay as they are.
func withOwner(attrs []tree.Xattr, ino *squashfs.Inode) []tree.Xattr {
	r := owner.Record{UID: ino.UID, GID: ino.GID}
	if r.Root() || !ino.IsDir() && !ino.IsRegular() {
		return attrs
	}
	return append(slices.Clone(attrs), tree.Xattr{Name: owner.Name, Value: r.Append(nil)})
}

// getValue copies the value of the attribute named at the start of body to p,
// and returns its length, which may be more than p takes.
func getValue(p []byte, attrs []tree.Xattr, body []byte) (int, error) {
	name, ok := cString(body)
	if !ok {
		return 0, syscall.EINVAL
	}
	for _, a := range attrs {
		if a.Name == name {
			copy(p, a.Value)
			return len(a.Value), nil
		}
	}
	return 0, syscall.ENODATA
}

// listNames writes the names, each ended by a NUL, to p, and returns their
// length, which may be more than p takes. Those in trusted are left out: they
// are for the initial namespace's superuser (xattr(7)), whom the server cannot
// tell from a container's.
func listNames(p []byte, attrs []tree.Xattr) int {
	used := 0
	for _, a := range attrs {
		if strings.HasPrefix(a.Name, "trusted.") {
			continue
		}
		for _, part := range [...]string{a.Name, "\x00"} {
			copy(p[min(used, len(p)):], part)
			used += len(part)
		}
	}
	return used
}
