// Package library says what a shared library is called, and what it needs of the C
// library: its soname, its architecture, and symbol versions.
//
// Input: a file in ELF, of the host or of an image, which is not trusted. Output:
// plain values. It loads nothing and follows no dependency.
package library

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// Library is what is known of a shared library.
type Library struct {
	// SoName is what programs ask for, empty where it has none.
	SoName string
	// Arch is the architecture by Go's name, or the name that ELF has for it.
	Arch string
	// Needs has the symbol versions that it takes from other libraries, by their
	// sonames: GLIBC_2.34 of libc.so.6.
	Needs map[string][]string
	// Defines are the symbol versions that it has itself.
	Defines []string
	// Forward, unless nil, is from a libcuda that works with drivers older than
	// itself.
	Forward *Forward
}

// Forward is the note with which NVIDIA's forward-compatible libraries say which
// drivers they are for.
type Forward struct {
	// Drivers are the major versions of these.
	Drivers []int `json:"Driver"`
}

// maxFile bounds a file that can only be read whole, in bytes, and maxNote the note.
const (
	maxFile = 64 << 20
	maxNote = 64 << 10
)

// Open reads a library of a file system; name is as in io/fs.
func Open(fsys fs.FS, name string) (*Library, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Contents(f)
	if err != nil {
		return nil, err
	}
	lib, err := Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return lib, nil
}

// Contents returns what an open library holds; what can only be read from its beginning is
// held in memory.
func Contents(f fs.File) (io.ReaderAt, error) {
	if r, ok := f.(io.ReaderAt); ok {
		return r, nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(text), nil
}

// Read reads a library.
func Read(r io.ReaderAt) (*Library, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	if f.Type != elf.ET_DYN {
		return nil, fmt.Errorf("not a shared library, but %v", f.Type)
	}
	lib := &Library{Arch: arch(f.Machine), Needs: map[string][]string{}}
	// A library without a dynamic section, or without versions, has none of these.
	if names, err := f.DynString(elf.DT_SONAME); err == nil && len(names) > 0 {
		lib.SoName = names[0]
	}
	lib.Forward = forward(f.Section(".note.cuda.fwd_compatibility"))
	lib.versions(f)
	return lib, nil
}

// forward reads the JSON text in an ELF note.
func forward(s *elf.Section) *Forward {
	if s == nil || s.Size > maxNote {
		return nil
	}
	text, err := s.Data()
	if err != nil {
		return nil
	}
	from, to := bytes.IndexByte(text, '{'), bytes.LastIndexByte(text, '}')
	var note Forward
	if from < 0 || to < from || json.Unmarshal(text[from:to+1], &note) != nil {
		return nil
	}
	return &note
}

func arch(m elf.Machine) string {
	if name, ok := map[elf.Machine]string{
		elf.EM_386: "386", elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_PPC64: "ppc64le",
	}[m]; ok {
		return name
	}
	return m.String()
}

// Glibc returns the newest version of glibc that is among symbol versions, such as
// 2.34 of GLIBC_2.34 and GLIBC_2.2.5, and empty for none.
func Glibc(versions []string) string {
	best := ""
	for _, v := range versions {
		if n, ok := strings.CutPrefix(v, "GLIBC_"); ok && n != "PRIVATE" && Compare(n, best) > 0 {
			best = n
		}
	}
	return best
}

// Compare orders versions of numbers with dots: below zero if a is older than b. One
// that is no number is older than all.
func Compare(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, n := number(x), number(y)
		if m != n {
			return m - n
		}
	}
	return 0
}

func number(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n
	}
	return -1
}
