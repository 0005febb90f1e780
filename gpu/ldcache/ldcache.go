// Package ldcache reads, extends and writes /etc/ld.so.cache of glibc: the file in
// which programs look up where their shared libraries are (ld.so(8)).
//
// Input: the bytes of such a file, which are not trusted, and libraries to add.
// Output: the bytes of a new one. It is pure: it looks at no file, and so does not
// know whether the libraries exist.
package ldcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The format (dl-cache.h of glibc): a header, entries in descending order of their
// names, strings, and extensions. All numbers are little-endian. Older files begin
// with a header and entries of another form, which nothing reads when the newer
// form follows.
const (
	magicNew  = "glibc-ld.so.cache1.1"
	magicOld  = "ld.so-1.7.0"
	sizeNew   = 48 // of the header
	sizeEntry = 24
	sizeOld   = 16
	entryOld  = 12

	little    = 2 // in the header's flags
	bigEndian = 3

	extensionMagic = 0xeaa42174
	tagHwcaps      = 1 // names of subdirectories of glibc-hwcaps
	// hwcapExtension marks an Entry.HWCap that is an index of Cache.Subdirs.
	hwcapExtension = 1 << 62
)

// MaxSize bounds the files that Parse takes, in bytes.
const MaxSize = 16 << 20

// ErrFormat is the error, perhaps wrapped, of what is no cache, or a broken one.
var ErrFormat = errors.New("not a cache of ld.so")

// Entry says where a library is.
type Entry struct {
	// Name is what programs ask for, Path the file.
	Name, Path string
	// Flags are the kind of library and its architecture (Flags).
	Flags int32
	// OSVersion is the least kernel version, in a form of glibc's own; 0 is any.
	OSVersion uint32
	// HWCap says which processors the file is for; 0 is all.
	HWCap uint64
}

// Cache is what a file says.
type Cache struct {
	// Entries are in the order of the file, in which the first that a processor can
	// use is what it gets.
	Entries []Entry
	// Subdirs are those of glibc-hwcaps that entries refer to.
	Subdirs []string
}

// Flags returns the flags of libraries for glibc on an architecture, by Go's name;
// ok is false for those that are not known here.
func Flags(arch string) (flags int32, ok bool) {
	const elfLibc6 = 3
	extra, ok := map[string]int32{"386": 0, "amd64": 0x0300, "arm64": 0x0a00, "ppc64le": 0x0500}[arch]
	return elfLibc6 | extra, ok
}

// Parse reads a file. It keeps parts of b.
func Parse(b []byte) (*Cache, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, MaxSize)
	}
	if bytes.HasPrefix(b, []byte(magicOld)) && len(b) >= sizeOld {
		skip := sizeOld + uint64(binary.LittleEndian.Uint32(b[12:]))*entryOld
		if skip = (skip + 7) &^ 7; skip > uint64(len(b)) {
			return nil, fmt.Errorf("%w: it is cut short", ErrFormat)
		}
		b = b[skip:]
	}
	if len(b) < sizeNew || string(b[:len(magicNew)]) != magicNew || b[28]&3 == bigEndian {
		return nil, ErrFormat
	}
	n := uint64(binary.LittleEndian.Uint32(b[20:]))
	if sizeNew+n*sizeEntry > uint64(len(b)) {
		return nil, fmt.Errorf("%w: it is cut short", ErrFormat)
	}
	c := &Cache{Entries: make([]Entry, n)}
	for i := range c.Entries {
		if err := c.Entries[i].decode(b, b[sizeNew+i*sizeEntry:]); err != nil {
			return nil, err
		}
	}
	return c, c.extensions(b)
}

// decode reads an entry; its strings are in file.
func (e *Entry) decode(file, b []byte) (err error) {
	e.Flags = int32(binary.LittleEndian.Uint32(b))
	e.OSVersion, e.HWCap = binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[16:])
	if e.Name, err = text(file, binary.LittleEndian.Uint32(b[4:])); err != nil {
		return err
	}
	e.Path, err = text(file, binary.LittleEndian.Uint32(b[8:]))
	return err
}

// maxText bounds a name and a path, in bytes, so that few strings of a file cannot
// be many times its size.
const maxText = 4096

// text returns the string at an offset, which a NUL ends.
func text(file []byte, at uint32) (string, error) {
	if uint64(at) >= uint64(len(file)) {
		return "", fmt.Errorf("%w: a string is outside of it", ErrFormat)
	}
	rest := file[at:]
	end := bytes.IndexByte(rest[:min(len(rest), maxText)], 0)
	if end < 0 {
		return "", fmt.Errorf("%w: a string has no end", ErrFormat)
	}
	return string(rest[:end]), nil
}

// maxSubdirs bounds Cache.Subdirs.
const maxSubdirs = 1 << 10

// extensions reads the subdirectories of glibc-hwcaps; other extensions say nothing
// about entries.
func (c *Cache) extensions(b []byte) error {
	at := uint64(binary.LittleEndian.Uint32(b[32:]))
	if at == 0 {
		return nil // of glibc before 2.33
	}
	if at+8 > uint64(len(b)) || binary.LittleEndian.Uint32(b[at:]) != extensionMagic {
		return fmt.Errorf("%w: broken extensions", ErrFormat)
	}
	n := uint64(binary.LittleEndian.Uint32(b[at+4:]))
	if at+8+n*16 > uint64(len(b)) {
		return fmt.Errorf("%w: broken extensions", ErrFormat)
	}
	for i := range n {
		section := b[at+8+i*16:]
		if binary.LittleEndian.Uint32(section) != tagHwcaps {
			continue
		}
		from, size := uint64(binary.LittleEndian.Uint32(section[8:])), uint64(binary.LittleEndian.Uint32(section[12:]))
		if from+size > uint64(len(b)) || size/4 > maxSubdirs {
			return fmt.Errorf("%w: broken extensions", ErrFormat)
		}
		for list := b[from : from+size]; len(list) >= 4; list = list[4:] {
			name, err := text(b, binary.LittleEndian.Uint32(list))
			if err != nil {
				return err
			}
			c.Subdirs = append(c.Subdirs, name)
		}
	}
	return nil
}

// Find returns the file of a library that every processor can use.
func (c *Cache) Find(name string, flags int32) (path string, ok bool) {
	for _, e := range c.Entries {
		if e.Name == name && e.Flags == flags && e.HWCap == 0 {
			return e.Path, true
		}
	}
	return "", false
}

// Merge adds entries, which replace all of the same names and flags. Of several
// with one name and the same flags the first counts.
func (c *Cache) Merge(add []Entry) {
	type key struct {
		name  string
		flags int32
	}
	fresh := map[key]bool{}
	var entries []Entry
	for _, e := range add {
		if k := (key{e.Name, e.Flags}); !fresh[k] {
			fresh[k] = true
			entries = append(entries, e)
		}
	}
	for _, e := range c.Entries {
		if !fresh[key{e.Name, e.Flags}] {
			entries = append(entries, e)
		}
	}
	c.Entries = entries
}
