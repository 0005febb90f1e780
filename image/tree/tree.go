// Package tree is a file tree in memory: what layers, directories and images
// become, and what the SquashFS writer eats.
//
// Input: tar entries of layers, or nodes made by other packages. Output: a
// tree of Nodes. It is pure: it opens no file of the host and keeps no file
// content, only handles to it.
package tree

// File types and special permission bits of Node.Mode, as in inode(7).
const (
	TypeMask    uint32 = 0o170000
	TypeSocket  uint32 = 0o140000
	TypeSymlink uint32 = 0o120000
	TypeRegular uint32 = 0o100000
	TypeBlock   uint32 = 0o060000
	TypeDir     uint32 = 0o040000
	TypeChar    uint32 = 0o020000
	TypeFIFO    uint32 = 0o010000
)

// Node is one inode. Hard links are one Node under several names.
type Node struct {
	// Mode is st_mode: type and permissions including set-id and sticky bits.
	Mode     uint32
	UID, GID uint32
	// Opaque marks a directory of an upper layer that hides the lower
	// layers' directory of the same path (used by Apply only).
	Opaque bool
	// ModTime is in seconds since the epoch.
	ModTime int64
	// Rdev is the device number of a block or character device in the
	// encoding of makedev(3) as glibc's 64-bit dev_t.
	Rdev uint64
	// Target is the text of a symbolic link.
	Target string
	// Xattrs are sorted by name.
	Xattrs []Xattr
	// Content is a regular file's bytes; nil means empty.
	Content Content
	// Entries are a directory's children by name; nil in other types.
	Entries map[string]*Node
}

// Xattr is one extended attribute with its full name, such as user.x or
// security.capability.
type Xattr struct {
	Name  string
	Value []byte
}

// Content is a handle to a regular file's bytes. What else it can do is
// between the package that makes it and the one that consumes it: a
// squashfs/writer stores what it can Open and adopts what an image
// already holds compressed.
type Content interface {
	// Size is the file's length in bytes.
	Size() int64
}
