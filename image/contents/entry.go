package contents

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
)

// Entry describes one name in a source.
type Entry struct {
	// Path begins with a slash; the root is "/".
	Path string
	// Mode is st_mode, as in inode(7).
	Mode     uint32
	Nlink    uint32
	UID, GID uint32
	// Size is the length of a regular file in bytes, or of a symbolic link's
	// target; 0 of any other.
	Size int64
	// Rdev is a device's number as makedev(3) makes it.
	Rdev    uint64
	ModTime time.Time
	// Target is a symbolic link's.
	Target string
}

// describe returns the entry of a name. What package io/fs leaves out, each
// kind of source has in its own form.
func describe(fsys FS, name string, info fs.FileInfo) (Entry, error) {
	e := Entry{Path: "/" + name, Size: info.Size(), ModTime: info.ModTime().UTC()}
	if name == "." {
		e.Path = "/"
	}
	switch sys := info.Sys().(type) {
	case *squashfs.Inode:
		e.Mode, e.Nlink, e.UID, e.GID, e.Rdev = sys.Mode, sys.Nlink, sys.UID, sys.GID, sys.Device()
	case *nodeInfo:
		n := sys.node
		e.Mode, e.Nlink, e.UID, e.GID, e.Rdev = n.Mode, sys.links, n.UID, n.GID, n.Rdev
	case *syscall.Stat_t:
		e.Mode, e.Nlink, e.UID, e.GID, e.Rdev = sys.Mode, uint32(sys.Nlink), sys.Uid, sys.Gid, sys.Rdev
	default:
		return e, fmt.Errorf("%s: no owner in a description of type %T", e.Path, sys)
	}
	switch e.Mode & tree.TypeMask {
	case tree.TypeRegular:
	case tree.TypeSymlink:
		var err error
		if e.Target, err = fsys.ReadLink(name); err != nil {
			return e, err
		}
		e.Size = int64(len(e.Target))
	default:
		e.Size = 0
	}
	return e, nil
}

// kinds are the types of files: the letter that ls(1) has for each, and the
// word in JSON.
var kinds = map[uint32]struct {
	letter byte
	word   string
}{
	tree.TypeRegular: {'-', "file"}, tree.TypeDir: {'d', "directory"}, tree.TypeSymlink: {'l', "link"},
	tree.TypeBlock: {'b', "block"}, tree.TypeChar: {'c', "char"}, tree.TypeFIFO: {'p', "fifo"}, tree.TypeSocket: {'s', "socket"},
}

func (e Entry) isDevice() bool {
	return e.Mode&tree.TypeMask == tree.TypeBlock || e.Mode&tree.TypeMask == tree.TypeChar
}

// Permissions returns type and permissions as ls -l shows them.
func (e Entry) Permissions() string {
	b := []byte("?rwxrwxrwx")
	if k, ok := kinds[e.Mode&tree.TypeMask]; ok {
		b[0] = k.letter
	}
	for i := range 9 {
		if e.Mode>>(8-i)&1 == 0 {
			b[i+1] = '-'
		}
	}
	for _, s := range []struct {
		bit        uint32
		at         int
		with, sole byte
	}{{0o4000, 3, 's', 'S'}, {0o2000, 6, 's', 'S'}, {0o1000, 9, 't', 'T'}} {
		switch {
		case e.Mode&s.bit == 0:
		case b[s.at] == 'x':
			b[s.at] = s.with
		default:
			b[s.at] = s.sole
		}
	}
	return string(b)
}

// Long returns the entry as ls -l shows it, called name, with numeric owner
// and a time in UTC.
func (e Entry) Long(name string) string {
	size := strconv.FormatInt(e.Size, 10)
	if e.isDevice() {
		size = fmt.Sprintf("%d,%4d", unix.Major(e.Rdev), unix.Minor(e.Rdev))
	}
	line := fmt.Sprintf("%s %3d %5d %5d %10s %s %s", e.Permissions(), e.Nlink, e.UID, e.GID, size,
		e.ModTime.Format(time.RFC3339), Quote(name))
	if e.Mode&tree.TypeMask == tree.TypeSymlink {
		line += " -> " + Quote(e.Target)
	}
	return line
}

// MarshalJSON returns the entry as an object of stable field names. A path or
// target that is not UTF-8 is there as base64 too.
func (e Entry) MarshalJSON() ([]byte, error) {
	o := struct {
		Path      string    `json:"path"`
		RawPath   []byte    `json:"rawPath,omitempty"`
		Type      string    `json:"type"`
		Mode      string    `json:"mode"`
		Nlink     uint32    `json:"nlink"`
		UID       uint32    `json:"uid"`
		GID       uint32    `json:"gid"`
		Size      int64     `json:"size"`
		Major     *uint32   `json:"major,omitempty"`
		Minor     *uint32   `json:"minor,omitempty"`
		ModTime   time.Time `json:"mtime"`
		Target    string    `json:"target,omitempty"`
		RawTarget []byte    `json:"rawTarget,omitempty"`
	}{
		Path: e.Path, Type: kinds[e.Mode&tree.TypeMask].word, Mode: fmt.Sprintf("%04o", e.Mode&0o7777),
		Nlink: e.Nlink, UID: e.UID, GID: e.GID, Size: e.Size, ModTime: e.ModTime, Target: e.Target,
	}
	if !utf8.ValidString(e.Path) {
		o.RawPath = []byte(e.Path)
	}
	if !utf8.ValidString(e.Target) {
		o.RawTarget = []byte(e.Target)
	}
	if e.isDevice() {
		major, minor := unix.Major(e.Rdev), unix.Minor(e.Rdev)
		o.Major, o.Minor = &major, &minor
	}
	b, err := json.Marshal(o)
	return escape(b), err
}

// escape writes the characters of JSON text that could drive a terminal, which
// stand in its strings only, as JSON escapes.
func escape(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		}
	}
	return []byte(b.String())
}

// Quote returns the name as it is, or as a Go string where it has a character
// that does not print, is not UTF-8, or begins as if it were quoted.
func Quote(name string) string {
	for i, r := range name {
		if !strconv.IsPrint(r) || r == utf8.RuneError || i == 0 && r == '"' {
			return strconv.Quote(name)
		}
	}
	return name
}
