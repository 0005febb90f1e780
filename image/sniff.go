package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs/format"
)

// IsFile tells by its first bytes whether the file at path is an image.
func IsFile(path string) bool {
	f, _, err := openPath(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, sniffSize)
	n, _ := f.ReadAt(head, 0) // of a directory, nothing
	_, bare := format.Start(head[:n])
	return bare || has(head[:n], sif.MagicOffset, sif.Magic)
}

// sniffSize is how much of a file decides what it looks like, in bytes.
const sniffSize = 2048

// checkType refuses what can be neither a file nor a directory image.
func checkType(path string, st fs.FileInfo) error {
	var what string
	switch t := st.Mode().Type(); {
	case t == 0 || t == fs.ModeDir:
		return nil
	case t == fs.ModeNamedPipe:
		what = "a FIFO"
	case t == fs.ModeSocket:
		what = "a socket"
	default:
		what = "a device"
	}
	err := hint.New("it is "+what, "give the path of a SIF file, a SquashFS file or a directory")
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

// lookalike is a format that is no image for us, and what to do with it.
type lookalike struct {
	offset int
	magic  string
	name   string
	remedy string // %s is the path
}

const (
	buildArchive = "build an image from it: sealift build new.sif oci-archive:%s (or docker-archive:)"
	buildAgain   = "build the image again as SIF or SquashFS"
	unpackFirst  = "decompress it first"
)

// ext3 is an image for some uses only.
var ext3 = lookalike{1080, "\x53\xef", "an ext2, ext3 or ext4 file system", buildAgain}

// lookalikes are ordered; more specific ones come first.
var lookalikes = []lookalike{
	{0, "sqsh", "a big-endian or pre-4.0 SquashFS file", buildAgain},
	ext3,
	{257, "ustar", "a tar archive", buildArchive},
	{0, "\x1f\x8b", "a gzip file", buildArchive},
	{0, "\x28\xb5\x2f\xfd", "a zstd file", buildArchive},
	{0, "\xfd7zXZ\x00", "an xz file", unpackFirst},
	{0, "BZh", "a bzip2 file", unpackFirst},
	{0, "PK\x03\x04", "a zip file", unpackFirst},
	{0, "LUKS\xba\xbe", "a LUKS volume", buildAgain},
	{0, "XFSB", "an XFS file system", buildAgain},
	{0, "QFI\xfb", "a QEMU disk image", buildAgain},
	{0, "\x7fELF", "a program (ELF)", "give the image before the command to run in it"},
	{0, "#!", "a script", "give the image before the command to run in it"},
}

// notImage says what a file that begins with head looks like.
func notImage(head []byte, path string) error {
	if len(head) == 0 {
		return hint.New("the file is empty", "copy or build the image again")
	}
	for _, l := range lookalikes {
		if has(head, l.offset, l.magic) {
			err := fmt.Errorf("it is %s, not a SIF file, a SquashFS file or a directory", l.name)
			return hint.Wrap(err, "%s", strings.ReplaceAll(l.remedy, "%s", path))
		}
	}
	if isDefinition(head) {
		return hint.New("it is a definition file, not an image", "build it first: sealift build new.sif %s", path)
	}
	return hint.Wrap(errors.New("it is neither a SIF nor a SquashFS file"),
		"check that the file is complete and that it is the image you mean")
}

// isDefinition looks for the keyword that a definition file must have.
func isDefinition(head []byte) bool {
	for line := range bytes.Lines(head) {
		word, _, found := bytes.Cut(line, []byte(":"))
		if found && bytes.EqualFold(bytes.TrimSpace(word), []byte("bootstrap")) {
			return true
		}
	}
	return false
}

// checkDirectory refuses directories that are known to be something else than
// a root file system.
func checkDirectory(fsys FS, path string) error {
	if _, err := fsys.Lstat("oci-layout"); err == nil {
		return hint.New("it is an OCI image layout, not a root file system",
			"build an image from it: sealift build new.sif oci:%s", path)
	}
	d, err := fsys.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if dir, ok := d.(fs.ReadDirFile); ok {
		_, err = dir.ReadDir(1)
	}
	if err == io.EOF {
		return hint.New("the directory is empty", "check that it is the image you mean")
	}
	return err
}

// has tells whether b holds magic at offset.
func has(b []byte, offset int, magic string) bool {
	return len(b) >= offset+len(magic) && string(b[offset:offset+len(magic)]) == magic
}
