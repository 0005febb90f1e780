package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"io/fs"
	"path"
	"strings"
)

// DecodeProgram decodes what runs the first of the named programs that is in the image, so that a
// server of the image has it at hand, as the kernel asks for it one piece at a time: the
// program, its loader, and the C library if it is beside that; of each at most limit
// bytes. It only fills a cache; an error shows when a file is read.
func (f *File) DecodeProgram(names []string, limit int64) {
	if f.squash == nil {
		return
	}
	for _, name := range names {
		if !f.decode(name, limit) {
			continue
		}
		loader := loaderOf(f.info.FS, name)
		if loader == "" || !f.decode(loader, limit) {
			return
		}
		if to, err := f.info.FS.ReadLink(relative(loader)); err == nil {
			if !path.IsAbs(to) {
				to = path.Join(path.Dir(loader), to)
			}
			loader = to
		}
		f.decode(path.Join(path.Dir(loader), "libc.so.6"), limit)
		return
	}
}

// relative is a path of the image as io/fs has it.
func relative(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// decode decodes the start of a file, and says whether there is one.
func (f *File) decode(name string, limit int64) bool {
	file, err := f.info.FS.Open(relative(name))
	if err != nil {
		return false
	}
	defer file.Close() // which was only read
	at, ok := file.(io.ReaderAt)
	info, err := file.Stat()
	if !ok || err != nil {
		return false
	}
	var one [1]byte
	for off := int64(0); off < min(info.Size(), limit); off += int64(f.squash.Super().BlockSize) {
		if _, err := at.ReadAt(one[:], off); err != nil {
			return true
		}
	}
	return true
}

// loaderOf returns the path of the loader that a program of an image names (elf(5), PT_INTERP);
// empty where there is none within its first page, which all but odd ones have it in.
func loaderOf(fsys fs.FS, program string) string {
	f, err := fsys.Open(relative(program))
	if err != nil {
		return ""
	}
	defer f.Close() // which was only read
	page, err := io.ReadAll(io.LimitReader(f, 4096))
	var head elf.Header64
	if err != nil || binary.Read(bytes.NewReader(page), binary.LittleEndian, &head) != nil ||
		string(head.Ident[:elf.EI_VERSION]) != elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)}) {
		return ""
	}
	for i := range uint64(head.Phnum) {
		var p elf.Prog64
		at := head.Phoff + i*uint64(binary.Size(p))
		if at > uint64(len(page)) || binary.Read(bytes.NewReader(page[at:]), binary.LittleEndian, &p) != nil {
			return ""
		}
		if elf.ProgType(p.Type) == elf.PT_INTERP && p.Off < uint64(len(page)) && p.Filesz <= uint64(len(page))-p.Off {
			name, _, _ := bytes.Cut(page[p.Off:p.Off+p.Filesz], []byte{0})
			return path.Clean("/" + string(name))
		}
	}
	return ""
}
