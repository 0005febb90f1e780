package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/gpu/library"
)

// candidate is a shared library that the container may get.
type candidate struct {
	Bind
	*library.Library
	err   error
	owner uint32 // 0 where nothing tells it
}

// nobody is whom files belong to whose owner has no id here (user_namespaces(7)).
const nobody = 65534

// errShared says that a library may be anybody's.
var errShared = errors.New("every user may write to it")

// read looks at the file, of which what is known need not be read again, and returns
// its stamp.
func (c *candidate) read(host fs.FS, known []Facts) string {
	info, err := fs.Lstat(host, relative(c.Source))
	if c.Linkable = err == nil && info.Mode().IsRegular(); err == nil && !c.Linkable {
		info, err = fs.Stat(host, relative(c.Source))
	}
	if err == nil && info.Mode().Perm()&0o002 != 0 {
		err = errShared
	}
	if err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			c.owner = st.Uid
		}
	}
	if c.err = err; err != nil {
		return ""
	}
	now := stamp(info)
	for _, facts := range known {
		if f := facts[c.Source]; f.Library != nil && f.Stamp == now {
			c.Library = f.Library
			return now
		}
	}
	c.Library, c.err = library.Open(host, relative(c.Source))
	return now
}

// glvnd are the libraries through which programs find those of a vendor. They belong
// to the image: a host's need its C library.
var glvnd = []string{"libGL.so.1", "libGLX.so.0", "libEGL.so.1", "libGLESv1_CM.so.1", "libGLESv2.so.2", "libOpenGL.so.0",
	"libGLdispatch.so.0", "libOpenCL.so.1"}

// libraries keeps those candidates that programs of the image can load.
func (p *planner) libraries() {
	if len(p.libs) == 0 {
		return
	}
	p.libc = p.findLibc()
	if p.libc.version == "" && p.libc.musl {
		p.note("the image's C library is musl: libraries of the driver, which need glibc, do not load there")
	}
	var known []Facts
	for _, s := range p.Sources {
		known = append(known, s.Libraries)
	}
	for i := range p.libs {
		p.libs[i].read(p.Host, known)
	}
	p.libs = slices.DeleteFunc(p.libs, func(c candidate) bool {
		why := p.unfit(&c)
		if why != "" {
			p.note("%s is left out: %s", path.Base(c.Source), why)
		}
		return why != "" || p.foreign(&c)
	})
	for _, c := range p.libs {
		p.Binds = append(p.Binds, c.Bind)
	}
}

// foreign says whether a library is of an architecture that is not asked for.
func (p *planner) foreign(c *candidate) bool {
	return c.Arch != p.Arch && !(c.Arch == "386" && p.Arch == "amd64" && p.NVIDIA != nil && p.NVIDIA.Compat32)
}

// unfit says why a library cannot be of use, empty if it can.
func (p *planner) unfit(c *candidate) string {
	if c.err != nil {
		return cause(c.err).Error()
	}
	// What nobody owns is root's of a user namespace further out.
	if c.owner != 0 && c.owner != p.UID && c.owner != nobody {
		return fmt.Sprintf("it belongs to the user %d", c.owner)
	}
	if slices.Contains(glvnd, c.SoName) && p.libc.has(c.SoName) {
		return "the image has its own " + c.SoName
	}
	need := ""
	for file, versions := range c.Needs {
		// Parts of glibc have its version, whatever their name.
		if n := library.Glibc(versions); n != "" {
			need = newer(need, n)
		} else if missing := p.libc.lacks(file, c.Arch, versions); missing != "" {
			return fmt.Sprintf("it needs %s of %s, which the image's lacks", missing, file)
		}
	}
	if p.libc.version != "" && library.Compare(need, p.libc.version) > 0 {
		return fmt.Sprintf("it needs glibc %s, and the image has %s", need, p.libc.version)
	}
	return ""
}

// newer returns the newer one of two versions.
func newer(a, b string) string {
	if library.Compare(a, b) > 0 {
		return a
	}
	return b
}

// libc is what the image has of libraries.
type libc struct {
	image   fs.FS
	version string // of glibc, empty where there is none
	musl    bool
	cache   *ldcache.Cache // the image's own; empty where it has none
	flags   int32
	dirs    []string // of libraries, that exist
	opened  map[string]*library.Library
}

// libraryDirs are where libraries of the image are; %s is the multiarch name.
var libraryDirs = []string{"/lib64", "/usr/lib64", "/lib/%s", "/usr/lib/%s", "/lib", "/usr/lib"}

// triplets are Debian's names of architectures.
var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu"}

// findLibc looks for the C library of the image.
func (p *planner) findLibc() *libc {
	l := &libc{image: p.Image, cache: &ldcache.Cache{}, opened: map[string]*library.Library{}}
	l.flags, _ = ldcache.Flags(p.Arch)
	if p.Image == nil {
		return l
	}
	if text, err := readFile(p.Image, "/etc/ld.so.cache", ldcache.MaxSize); err == nil {
		cache, err := ldcache.Parse(text)
		if err != nil {
			p.note("/etc/ld.so.cache of the image is replaced: %v", err)
		} else {
			l.cache = cache
		}
	}
	for _, dir := range libraryDirs {
		dir = strings.ReplaceAll(dir, "%s", triplets[p.Arch])
		if info, err := fs.Stat(p.Image, relative(dir)); err == nil && info.IsDir() {
			l.dirs = append(l.dirs, dir)
		}
	}
	if lib := l.open("libc.so.6", p.Arch); lib != nil {
		l.version = library.Glibc(lib.Defines)
		return l
	}
	musl, _ := fs.Glob(p.Image, "lib/ld-musl-*.so.1") // the pattern is well-formed
	l.musl = len(musl) > 0
	return l
}

// find returns the path of a library of the image.
func (l *libc) find(soname string) string {
	if file, ok := l.cache.Find(soname, l.flags); ok && l.exists(file) {
		return file
	}
	for _, dir := range l.dirs {
		if file := path.Join(dir, soname); l.exists(file) {
			return file
		}
	}
	return ""
}

func (l *libc) has(soname string) bool { return l.find(soname) != "" }

func (l *libc) exists(file string) bool {
	if !absolute(file) {
		return false
	}
	info, err := fs.Stat(l.image, relative(file))
	return err == nil && info.Mode().IsRegular()
}

// open reads a library of the image once; nil is one that is not there, or not for
// arch.
func (l *libc) open(soname, arch string) *library.Library {
	lib, known := l.opened[soname]
	if file := l.find(soname); !known && file != "" {
		var err error
		if lib, err = library.Open(l.image, relative(file)); err != nil || lib.Arch != arch {
			lib = nil
		}
	}
	l.opened[soname] = lib
	return lib
}

// lacks returns the first version that a library of the image does not have. What is
// not known of one is not lacking.
func (l *libc) lacks(soname, arch string, versions []string) string {
	if l.version == "" {
		return ""
	}
	lib := l.open(soname, arch)
	for _, v := range versions {
		if lib != nil && len(lib.Defines) > 0 && !slices.Contains(lib.Defines, v) {
			return v
		}
	}
	return ""
}

// readFile returns a regular file of at most max bytes.
func readFile(fsys fs.FS, name string, max int64) ([]byte, error) {
	info, err := fs.Stat(fsys, relative(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > max {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", name, max)
	}
	return fs.ReadFile(fsys, relative(name))
}
