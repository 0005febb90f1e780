// Package libraries finds what a file system has of MPI, of what its ranks find each other
// by, and of fast networks.
//
// Input: the file system of an image or of the host, which is not trusted. Output: plain
// values about its shared libraries, by their files alone: nothing of it is run.
package libraries

import (
	"cmp"
	"debug/elf"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sealift/sealift/gpu/library"
)

// Library is a shared library.
type Library struct {
	// Path is absolute, without links, and SoName what programs ask for.
	Path   string `json:"path"`
	SoName string `json:"soname"`
	// Version is what its text says, empty where it does not.
	Version string `json:"version"`
	// Needs are the sonames of libraries that it takes.
	Needs []string `json:"-"`
	// Glibc is the newest version of glibc that it takes symbols of.
	Glibc string `json:"glibc"`
}

// wanted are the file names that are looked at; the last part of one is a version.
const wanted = `^lib(mpi|mpich|mpi_cray|mpi_abi|mpi_gnu_[0-9]+|pmix|pmi|pmi2|fabric|ucp|ibverbs|psm2|cxi)\.so(\.[0-9]+)*$`

// roots are where libraries are. They are looked at to any depth.
var roots = []string{"lib", "lib64", "usr/lib", "usr/lib64", "usr/local", "opt"}

// Bounds of a search: entries of directories, and bytes of a file that are searched for its
// version.
const (
	maxEntries = 500_000
	maxText    = 64 << 20
	maxFile    = 256 << 20
)

// Find returns the libraries below the usual directories, by path. What cannot be read is
// passed over.
func Find(fsys fs.FS) []Library {
	var found []Library
	pattern, left := regexp.MustCompile(wanted), maxEntries
	for _, root := range roots {
		if info, err := fs.Lstat(fsys, root); err != nil || !info.IsDir() {
			continue // a link leads to another of them
		}
		_ = fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
			if left--; left < 0 {
				return fs.SkipAll
			}
			if err != nil || d.IsDir() || !pattern.MatchString(path.Base(name)) || !d.Type().IsRegular() {
				return nil // others may be readable
			}
			if lib, err := Read(fsys, name); err == nil && lib.SoName != "" {
				found = append(found, *lib)
			}
			return nil
		})
	}
	slices.SortFunc(found, func(a, b Library) int { return cmp.Compare(a.Path, b.Path) })
	return found
}

// Read reads one library; name is as in io/fs, and may lead over links.
func Read(fsys fs.FS, name string) (*Library, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := library.Contents(f)
	if err != nil {
		return nil, err
	}
	e, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	about, err := library.Read(r)
	if err != nil {
		return nil, err
	}
	lib := &Library{Path: "/" + name, SoName: about.SoName, Glibc: library.Glibc(about.Needs["libc.so.6"]), Version: version(e, about.SoName)}
	if lib.Needs, err = e.ImportedLibraries(); err != nil {
		return nil, err
	}
	return lib, nil
}

// number is a version by itself among a library's texts, and openPMIx one of PMIx.
const (
	number   = `\x00v?([0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc|p)[0-9]+)?)\x00`
	openPMIx = `OpenPMIx ([0-9][0-9a-z.]*)`
)

// version looks for the version of MPI and of PMIx in a library's constants. Others are
// known by their sonames.
func version(e *elf.File, soname string) string {
	of := number
	switch {
	case strings.HasPrefix(soname, "libpmix."):
		of = openPMIx
	case !strings.HasPrefix(soname, "libmpi"):
		return ""
	}
	s := e.Section(".rodata")
	if s == nil || s.Type == elf.SHT_NOBITS || s.FileSize > maxText {
		return ""
	}
	text, err := s.Data()
	if err != nil {
		return ""
	}
	if m := regexp.MustCompile(of).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}
