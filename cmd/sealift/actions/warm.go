package actions

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"path"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/starter/plan"
)

// warmBytes is how much of each file is decoded in advance.
const warmBytes = 2 << 20

// warm reads what is about to be asked for while the starter still mounts: the payload's
// program, its loader, and the C library, which is beside that. It only fills caches, so
// whatever goes wrong here shows when the program runs.
func warm(img *image.File, p plan.Process) {
	_ = img.Prefetch()
	program := img.Decode(candidates(p), warmBytes)
	if program == "" {
		return
	}
	loader := loaderOf(img.FS(), program)
	if loader == "" || img.Decode([]string{loader}, warmBytes) == "" {
		return
	}
	beside := path.Dir(loader)
	if to, err := img.FS().ReadLink(strings.TrimPrefix(loader, "/")); err == nil {
		if beside = path.Dir(to); !path.IsAbs(to) {
			beside = path.Join(path.Dir(loader), path.Dir(to))
		}
	}
	img.Decode([]string{path.Join(beside, "libc.so.6")}, warmBytes)
}

// loaderOf returns the path of the loader that a program of an image names (elf(5), PT_INTERP);
// empty where there is none within its first page, which all but odd ones have it in.
func loaderOf(fsys image.FS, program string) string {
	f, err := fsys.Open(strings.TrimPrefix(program, "/"))
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

// candidates are the places where the starter will look for the program.
func candidates(p plan.Process) []string {
	if strings.Contains(p.Args[0], "/") {
		return p.Args[:1]
	}
	var names []string
	for _, kv := range p.Env {
		if dirs, ok := strings.CutPrefix(kv, "PATH="); ok {
			for dir := range strings.SplitSeq(dirs, ":") {
				names = append(names, path.Join(dir, p.Args[0]))
			}
		}
	}
	return names
}
