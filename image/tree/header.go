package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bounds on what a tar header may say.
const (
	maxTarget = 4095     // bytes, PATH_MAX without its NUL, symlink(7)
	maxXattrs = 64 << 10 // bytes of names and values of one inode, XATTR_SIZE_MAX
	maxID     = math.MaxUint32 - 1
	maxMajor  = 1<<12 - 1 // the kernel's dev_t, include/linux/kdev_t.h
	maxMinor  = 1<<20 - 1
)

const xattrRecord = "SCHILY.xattr."

// node makes an inode of a header, nil for a type that no file system has.
// The result of a hard link has the type of a regular file; only its metadata
// counts.
func (m *merger) node(h *tar.Header) (*Node, error) {
	mode, ok := typeOf(h.Typeflag)
	if !ok {
		return nil, nil
	}
	if h.Uid < 0 || h.Uid > maxID || h.Gid < 0 || h.Gid > maxID {
		return nil, fmt.Errorf("owner %d:%d is outside 0..%d", h.Uid, h.Gid, int64(maxID))
	}
	if h.Size < 0 {
		return nil, fmt.Errorf("size %d is negative", h.Size)
	}
	n := &Node{
		Mode: mode | uint32(h.Mode)&0o7777,
		UID:  uint32(h.Uid),
		GID:  uint32(h.Gid),
	}
	n.ModTime = m.seconds(h)
	var err error
	switch mode {
	case TypeDir:
		n.Entries = map[string]*Node{}
	case TypeSymlink:
		n.Mode = TypeSymlink | 0o777 // as Linux shows every symbolic link
		n.Target, err = target(h.Linkname)
	case TypeBlock, TypeChar:
		m.report.Devices++
		n.Rdev, err = device(h.Devmajor, h.Devminor)
	}
	if err != nil {
		return nil, err
	}
	n.Xattrs, err = m.xattrs(h.PAXRecords)
	return n, err
}

// typeOf returns the file type of a tar type flag.
func typeOf(flag byte) (uint32, bool) {
	switch flag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, tar.TypeLink:
		return TypeRegular, true
	case tar.TypeDir:
		return TypeDir, true
	case tar.TypeSymlink:
		return TypeSymlink, true
	case tar.TypeChar:
		return TypeChar, true
	case tar.TypeBlock:
		return TypeBlock, true
	case tar.TypeFifo:
		return TypeFIFO, true
	}
	return 0, false
}

// seconds returns the modification time in what SquashFS can hold.
func (m *merger) seconds(h *tar.Header) int64 {
	t := h.ModTime.Unix()
	if t < 0 || t > math.MaxUint32 {
		m.report.Times++
	}
	return min(max(t, 0), math.MaxUint32)
}

func target(link string) (string, error) {
	if link == "" || len(link) > maxTarget {
		return "", fmt.Errorf("target of the symbolic link has %d bytes, not 1..%d", len(link), maxTarget)
	}
	if strings.IndexByte(link, 0) >= 0 {
		return "", errors.New("target of the symbolic link has a NUL byte")
	}
	return link, nil
}

// device encodes a device number as makedev(3) of glibc.
func device(major, minor int64) (uint64, error) {
	if major < 0 || major > maxMajor || minor < 0 || minor > maxMinor {
		return 0, fmt.Errorf("device number %d:%d is outside 0:0..%d:%d", major, minor, maxMajor, maxMinor)
	}
	return uint64(major)<<8 | uint64(minor)&0xff | uint64(minor)&^0xff<<12, nil
}

// xattrs returns the extended attributes of a header, sorted by name.
func (m *merger) xattrs(records map[string]string) ([]Xattr, error) {
	var list []Xattr
	size := 0
	for key, value := range records {
		name, ok := strings.CutPrefix(key, xattrRecord)
		if !ok {
			continue
		}
		if !keepXattr(name) {
			m.report.Xattrs++
			continue
		}
		size += len(name) + len(value)
		list = append(list, Xattr{Name: name, Value: []byte(value)})
	}
	if size > maxXattrs {
		return nil, fmt.Errorf("extended attributes have %d bytes, more than %d", size, maxXattrs)
	}
	slices.SortFunc(list, byName)
	return list, nil
}

// keepXattr reports whether an attribute means the same in another place than
// where the layer was made. trusted.* and overlayfs's attributes would steer
// an overlay mount of the image, SELinux labels belong to the host's policy,
// and SquashFS has no system.* namespace for access control lists.
func keepXattr(name string) bool {
	space, rest, _ := strings.Cut(name, ".")
	switch {
	case rest == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0:
		return false
	case space == "user":
		return !strings.HasPrefix(rest, "overlay.")
	}
	return space == "security" && rest != "selinux"
}

func byName(a, b Xattr) int { return cmp.Compare(a.Name, b.Name) }

// setXattr returns list with x in it, in place of one of the same name.
func setXattr(list []Xattr, x Xattr) []Xattr {
	i, found := slices.BinarySearchFunc(list, x, byName)
	if found {
		list[i] = x
		return list
	}
	return slices.Insert(list, i, x)
}
