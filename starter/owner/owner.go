// Package owner is how Sealift writes down who owns a file that the kernel can
// give to nobody but the caller: in an extended attribute of the file itself.
//
// Input and output: the values of two kinds of attributes. Name holds a Record
// of the regular file or directory that has it, and follows it through renames,
// hard links and overlayfs. Symbolic links, FIFOs and sockets cannot have
// attributes of users (xattr(7)); what is known of such a file is an Entry on
// the directory it is in, under EntryName of its name. The root emulation
// writes both, the image server shows what it would write, and whoever reads a
// directory as an image takes the owners from there.
//
// The package is the format alone: it touches no file, and imports the lightest
// parts of the standard library, since the starter uses it.
package owner

import (
	"errors"
	"strconv"
	"strings"
)

const (
	// Prefix begins the names of all attributes of this package.
	Prefix = "user.sealift."
	// Name is the attribute with a Record.
	Name = Prefix + "owner"
	// entryPrefix precedes the name of the file that an Entry is about.
	entryPrefix = Prefix + "entry."
)

// maxName is the longest name that an attribute can have, in bytes
// (XATTR_NAME_MAX, linux/limits.h).
const maxName = 255

// ErrSyntax is returned for a value that is not of the format.
var ErrSyntax = errors.New("malformed record of an owner")

// Record is what a file would be, had it been made by the real root user.
type Record struct {
	UID, GID uint32
	// Type is S_IFCHR or S_IFBLK (inode(7)) for the device node that an empty
	// regular file stands for, else 0. Permissions are those of the file.
	Type uint32
	// Rdev is the device's number as mknod(2) takes it.
	Rdev uint32
}

// Types of device nodes, in a mode (inode(7)).
const (
	typeChar  = 0o020000
	typeBlock = 0o060000
)

// Root tells whether the record says no more than the lack of one.
func (r Record) Root() bool { return r == Record{} }

// Append appends the value of the attribute to b: UID:GID in decimal, for a
// device followed by :TYPE:RDEV, the type in octal.
func (r Record) Append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(r.UID), 10)
	b = strconv.AppendUint(append(b, ':'), uint64(r.GID), 10)
	if r.Type != 0 {
		b = strconv.AppendUint(append(b, ':'), uint64(r.Type), 8)
		b = strconv.AppendUint(append(b, ':'), uint64(r.Rdev), 10)
	}
	return b
}

// Parse is the inverse of Append and accepts nothing that Append does not
// write.
func Parse(value []byte) (Record, error) {
	fields := strings.Split(string(value), ":")
	if len(fields) != 2 && len(fields) != 4 {
		return Record{}, ErrSyntax
	}
	var n [4]uint64
	for i, f := range fields {
		base := 10
		if i == 2 {
			base = 8
		}
		var err error
		if n[i], err = strconv.ParseUint(f, base, 32); err != nil {
			return Record{}, ErrSyntax
		}
	}
	r := Record{uint32(n[0]), uint32(n[1]), uint32(n[2]), uint32(n[3])}
	if len(fields) == 4 && r.Type != typeChar && r.Type != typeBlock || string(r.Append(nil)) != string(value) {
		return Record{}, ErrSyntax
	}
	return r, nil
}

// Entry is the owner of a file that its directory keeps.
type Entry struct {
	UID, GID uint32
	// Inode is the file's number: a file of the same name with another one has
	// taken the place of the file that the entry is about.
	Inode uint64
}

// EntryName returns the name of the attribute for the file name. ok is false
// when that would be too long.
func EntryName(name string) (attr string, ok bool) {
	attr = entryPrefix + name
	return attr, len(attr) <= maxName
}

// CutEntry is the inverse of EntryName; ok is false for other attributes.
func CutEntry(attr string) (name string, ok bool) {
	name, ok = strings.CutPrefix(attr, entryPrefix)
	return name, ok && name != ""
}

// Append appends the value of the attribute to b: UID:GID:INODE in decimal.
func (e Entry) Append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(e.UID), 10)
	b = strconv.AppendUint(append(b, ':'), uint64(e.GID), 10)
	return strconv.AppendUint(append(b, ':'), e.Inode, 10)
}

// ParseEntry is the inverse of Entry.Append and accepts nothing that it does
// not write.
func ParseEntry(value []byte) (Entry, error) {
	fields := strings.Split(string(value), ":")
	if len(fields) != 3 {
		return Entry{}, ErrSyntax
	}
	uid, err := strconv.ParseUint(fields[0], 10, 32)
	gid, err2 := strconv.ParseUint(fields[1], 10, 32)
	ino, err3 := strconv.ParseUint(fields[2], 10, 64)
	e := Entry{uint32(uid), uint32(gid), ino}
	if err != nil || err2 != nil || err3 != nil || string(e.Append(nil)) != string(value) {
		return Entry{}, ErrSyntax
	}
	return e, nil
}
