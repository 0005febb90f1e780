// Package hostmpi decides which libraries of the host stand in for an image's MPI.
//
// Input: the host's file system, its ld.so.cache and directories of libraries, and what an
// image has. Output: files, directories and variables for a container, or why they do not
// fit: another ABI, or a C library that is too old. It is pure but for reading files of
// the host through the file system in its arguments.
package hostmpi

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/gpu/library"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
)

// Host is where the host's libraries are.
type Host struct {
	FS fs.FS
	// Dirs are looked into first, as LD_LIBRARY_PATH has it, and then Cache, unless it is
	// nil.
	Dirs  []string
	Cache *ldcache.Cache
	// Arch is the Go name of the architecture.
	Arch string
}

// Image is what an image has.
type Image struct {
	Libraries []libraries.Library
	// Glibc is the version of its C library, empty where it has none of glibc's.
	Glibc string
}

// Injection is what a container gets.
type Injection struct {
	// About names the MPI and where it is from.
	About string
	// Files are FILE:NAME, for the directory of libraries of the host.
	Files []string
	// Dirs are directories that the libraries look for under their own names.
	Dirs []string
	// Env are variables, NAME=VALUE.
	Env []string
}

// abi is a family of MPI libraries that stand in for each other.
type abi struct {
	title string
	// sonames are what programs are linked to, and what the host may call it.
	sonames []string
}

// abis are those that are stable across releases: MPICH's initiative, and Open MPI from 2
// to 5, whose soname is one for 3 to 5.
var abis = []abi{
	{"MPICH's ABI", []string{"libmpi.so.12", "libmpich.so.12", "libmpi_cray.so.12"}},
	{"Open MPI's ABI", []string{"libmpi.so.40"}},
}

// Plan returns what has programs of the image take the host's MPI.
func Plan(h Host, img Image) (*Injection, error) {
	wanted, inside := img.mpi()
	if wanted == nil {
		return nil, hint.New("--mpi host: the image has no MPI that one of the host could stand in for: libmpi.so.12, libmpich.so.12 or libmpi.so.40",
			"leave it out, or build the program with MPICH or Open MPI")
	}
	if img.Glibc == "" {
		return nil, hint.New("--mpi host: the image has no glibc, which libraries of the host need", "use the image's own MPI: leave it out")
	}
	var at string
	for _, soname := range wanted.sonames {
		if at = h.find(soname); at != "" {
			break
		}
	}
	if at == "" {
		return nil, hint.New(fmt.Sprintf("--mpi host: the image's MPI has %s (%s), and the host has no library of it%s", wanted.title, inside[0], h.others(wanted)),
			"load the module of such an MPI, which sets LD_LIBRARY_PATH, or leave it out: 'sealift doctor mpi IMAGE' tells other ways")
	}
	in := &Injection{About: fmt.Sprintf("%s of the host, %s", wanted.title, at)}
	c := &closure{host: h, glibc: img.Glibc, seen: map[string]bool{}}
	for _, soname := range inside {
		in.Files = append(in.Files, at+":"+soname)
		c.seen[soname] = true
	}
	if err := c.add(at); err != nil {
		return nil, fmt.Errorf("--mpi host: %w", err)
	}
	if err := c.plugins(in, at); err != nil {
		return nil, fmt.Errorf("--mpi host: %w", err)
	}
	in.Files = append(in.Files, c.files...)
	return in, nil
}

// mpi returns the ABI of the image's MPI, and the sonames that it has of that.
func (img *Image) mpi() (found *abi, sonames []string) {
	for i := range abis {
		for _, lib := range img.Libraries {
			if slices.Contains(abis[i].sonames, lib.SoName) && !slices.Contains(sonames, lib.SoName) {
				found, sonames = &abis[i], append(sonames, lib.SoName)
			}
		}
		if found != nil {
			return found, sonames
		}
	}
	return nil, nil
}

// others tells which MPI the host has instead.
func (h *Host) others(wanted *abi) string {
	var list []string
	for i := range abis {
		for _, soname := range abis[i].sonames {
			if &abis[i] != wanted && h.find(soname) != "" {
				list = append(list, soname)
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return ", but " + strings.Join(list, ", ")
}

// find returns the absolute path of a library of the host, empty if there is none.
func (h *Host) find(soname string) string {
	for _, dir := range h.Dirs {
		if p := path.Join(dir, soname); path.IsAbs(dir) && h.isFile(p) {
			return p
		}
	}
	if h.Cache == nil {
		return ""
	}
	flags, _ := ldcache.Flags(h.Arch)
	for _, e := range h.Cache.Entries {
		if e.Name == soname && e.Flags == flags && e.HWCap == 0 && h.isFile(e.Path) {
			return e.Path
		}
	}
	return ""
}

func (h *Host) isFile(p string) bool {
	info, err := fs.Stat(h.FS, strings.TrimPrefix(p, "/"))
	return err == nil && info.Mode().IsRegular()
}

// closure collects libraries with all that they need.
type closure struct {
	host  Host
	glibc string // of the image
	seen  map[string]bool
	files []string
}

// kept are libraries that a container has of the image: what its programs were loaded by,
// and what newer compilers put beside glibc.
var kept = []string{"ld-linux", "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libutil.so", "libresolv.so", "libnsl.so", "libmvec.so", "libgcc_s.so", "libstdc++.so", "linux-vdso"}

// add takes what the library at an absolute path needs. It does not take the library itself.
func (c *closure) add(at string) error {
	lib, err := libraries.Read(c.host.FS, strings.TrimPrefix(at, "/"))
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if library.Compare(lib.Glibc, c.glibc) > 0 {
		return hint.New(fmt.Sprintf("%s of the host needs glibc %s, and the image has %s", at, lib.Glibc, c.glibc),
			"use an image of a newer distribution, or its own MPI: leave --mpi host out")
	}
	for _, need := range lib.Needs {
		if c.seen[need] || slices.ContainsFunc(kept, func(k string) bool { return strings.HasPrefix(need, k) }) {
			continue
		}
		c.seen[need] = true
		file := path.Join(path.Dir(at), need) // as a RUNPATH of $ORIGIN has it
		if !c.host.isFile(file) {
			file = c.host.find(need)
		}
		if file == "" {
			return hint.New(fmt.Sprintf("%s of the host needs %s, which is not there", at, need), "load the module of this MPI, which sets LD_LIBRARY_PATH")
		}
		c.files = append(c.files, file+":"+need)
		if err := c.add(file); err != nil {
			return err
		}
	}
	return nil
}

// pluginDir is a directory of modules that libraries load by themselves.
type pluginDir struct {
	of string // a library of the closure
	// patterns are below the library's directory (path.Match), of files.
	pattern string
	// env is the variable that names the directory, or empty: the library looks for it
	// at the place where it is on the host.
	env string
}

var pluginDirs = []pluginDir{
	{"libmpi.so.40", "openmpi/mca_*.so", ""},
	{"libmpi.so.40", "openmpi/lib/openmpi3/mca_*.so", ""}, // Debian
	{"libpmix.so.2", "pmix/*.so", ""},
	{"libpmix.so.2", "pmix2/lib/pmix/*.so", ""}, // Debian
	{"libucs.so.0", "ucx/*.so*", "UCX_MODULE_DIR"},
	{"libfabric.so.1", "libfabric/*.so", "FI_PROVIDER_PATH"},
}

// plugins adds modules' directories, and what the modules need.
func (c *closure) plugins(in *Injection, mpi string) error {
	for _, d := range pluginDirs {
		// A module's libraries may have modules, too: the table is in that order.
		at := mpi
		if !slices.Contains(in.Files, mpi+":"+d.of) {
			i := slices.IndexFunc(c.files, func(f string) bool { return strings.HasSuffix(f, ":"+d.of) })
			if i < 0 {
				continue
			}
			at = strings.TrimSuffix(c.files[i], ":"+d.of)
		}
		modules, err := fs.Glob(c.host.FS, strings.TrimPrefix(path.Join(path.Dir(at), d.pattern), "/"))
		if err != nil || len(modules) == 0 {
			continue
		}
		dir := "/" + path.Dir(modules[0])
		in.Dirs = append(in.Dirs, dir)
		if d.env != "" {
			in.Env = append(in.Env, d.env+"="+dir)
		}
		for _, m := range modules {
			if err := c.module("/" + m); err != nil {
				return err
			}
		}
	}
	return nil
}

// module adds what a module needs. One that cannot be loaded here cannot be there either:
// MPI passes it over, as it does on the host.
func (c *closure) module(at string) error {
	trial := &closure{host: c.host, glibc: c.glibc, seen: map[string]bool{}, files: slices.Clone(c.files)}
	for name := range c.seen {
		trial.seen[name] = true
	}
	if err := trial.add(at); err != nil {
		if hint.Of(err) != "" && strings.Contains(err.Error(), "glibc") {
			return err
		}
		return nil
	}
	c.seen, c.files = trial.seen, trial.files
	return nil
}

// Glibc returns the version of an image's glibc, empty where it has none.
func Glibc(fsys fs.FS) string {
	best := ""
	for _, pattern := range []string{"lib/*/libc.so.6", "lib64/libc.so.6", "usr/lib/*/libc.so.6", "usr/lib64/libc.so.6", "lib/libc.so.6"} {
		names, err := fs.Glob(fsys, pattern)
		if err != nil {
			continue
		}
		for _, name := range names {
			if lib, err := library.Open(fsys, name); err == nil && library.Compare(library.Glibc(lib.Defines), best) > 0 {
				best = library.Glibc(lib.Defines)
			}
		}
	}
	return best
}
