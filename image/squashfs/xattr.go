package squashfs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
	"github.com/sealift/sealift/image/tree"
)

// Bounds of extended attributes: Linux's XATTR_NAME_MAX and XATTR_SIZE_MAX,
// and one of ours for all of an inode.
const (
	maxXattrName  = 255
	maxXattrValue = 64 << 10
	maxXattrTotal = 4 << 20
)

// Xattrs returns the extended attributes of an inode, sorted by name.
func (r *Reader) Xattrs(ino *Inode) ([]tree.Xattr, error) {
	if ino.Xattr == format.NoXattr {
		return nil, nil
	}
	list, err := r.loadXattrs(ino.Xattr)
	if err != nil {
		return nil, fmt.Errorf("extended attributes of inode %d: %w", ino.Number, err)
	}
	return list, nil
}

func (r *Reader) loadXattrs(id uint32) ([]tree.Xattr, error) {
	b, err := r.xattrIDs.Entry(id)
	if err != nil {
		return nil, err
	}
	set := format.ParseXattrID(b)
	c, err := r.meta.At(r.xattrs, set.Ref)
	if err != nil {
		return nil, err
	}
	var list []tree.Xattr
	total := 0
	for range set.Count {
		x, err := r.xattr(&c)
		if err != nil {
			return nil, err
		}
		if total += len(x.Name) + len(x.Value); total > maxXattrTotal {
			return nil, corrupt("more than %d bytes of attributes", maxXattrTotal)
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, corrupt("attribute %q twice", list[i].Name)
		}
	}
	return list, nil
}

// xattr reads one attribute: type and length of the name, the name without its
// prefix, and the value or the reference of one stored elsewhere.
func (r *Reader) xattr(c *meta.Cursor) (x tree.Xattr, err error) {
	b, err := c.Take(4)
	if err != nil {
		return x, err
	}
	prefix, outOfLine, err := format.XattrPrefix(binary.LittleEndian.Uint16(b))
	if err != nil {
		return x, err
	}
	nameLen := int(binary.LittleEndian.Uint16(b[2:]))
	if nameLen == 0 || len(prefix)+nameLen > maxXattrName {
		return x, corrupt("attribute name of %d bytes", nameLen)
	}
	if b, err = c.Take(nameLen); err != nil {
		return x, err
	}
	x.Name = prefix + string(b)
	if strings.IndexByte(x.Name, 0) >= 0 {
		return x, corrupt("attribute name %q", x.Name)
	}
	if x.Value, err = xattrValue(c); err == nil && outOfLine {
		x.Value, err = r.xattrElsewhere(x.Value)
	}
	if err != nil {
		return x, fmt.Errorf("attribute %q: %w", x.Name, err)
	}
	return x, nil
}

func xattrValue(c *meta.Cursor) ([]byte, error) {
	n, err := c.Uint32()
	if err != nil {
		return nil, err
	}
	if n > maxXattrValue {
		return nil, corrupt("value of %d bytes", n)
	}
	b, err := c.Take(int(n))
	if err != nil {
		return nil, err
	}
	return append([]byte{}, b...), nil
}

// xattrElsewhere reads the value at the reference that at holds. That value
// has no reference in turn, so a chain cannot arise.
func (r *Reader) xattrElsewhere(at []byte) ([]byte, error) {
	if len(at) != 8 {
		return nil, corrupt("reference of %d bytes to a value", len(at))
	}
	c, err := r.meta.At(r.xattrs, format.Ref(binary.LittleEndian.Uint64(at)))
	if err != nil {
		return nil, err
	}
	return xattrValue(&c)
}

// Attribute returns the value of an extended attribute of the named file, a
// symbolic link itself, and whether it has it. What cannot be read is not there.
func (f *FS) Attribute(name, attr string) (value string, found bool) {
	ino, err := f.walk("getxattr", name, false)
	if err != nil {
		return "", false
	}
	list, _ := f.r.Xattrs(ino)
	i := slices.IndexFunc(list, func(x tree.Xattr) bool { return x.Name == attr })
	if i < 0 {
		return "", false
	}
	return string(list[i].Value), true
}
