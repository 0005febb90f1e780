package plan

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/gpu/library"
)

// Files and directories of the dynamic linker, and where libraries are shown for those
// that do not read its cache (musl's, and those of Nix and Guix).
const (
	cacheFile = "/etc/ld.so.cache"
	confDir   = "/etc/ld.so.conf.d"
	confFile  = confDir + "/00-sealift-gpu.conf"
	farm      = "/.singularity.d/libs"
)

// linker has programs find the libraries: by links with the names that they ask for,
// and by the cache of the dynamic linker. Further links are kept if they lead to
// something.
func (p *planner) linker(links []Link) {
	for _, c := range p.libs {
		if dir, base := path.Split(c.Target); c.SoName != "" && c.SoName != base && !strings.Contains(c.SoName, "/") {
			links = append(links, Link{dir + c.SoName, base})
		}
	}
	p.links(links)
	entries := p.entries()
	switch {
	case len(entries) == 0:
	case p.libc.version == "":
		for _, e := range entries {
			if e.Flags == p.libc.flags {
				p.Links = append(p.Links, Link{path.Join(farm, e.Name), e.Path})
			}
		}
	default:
		p.libc.cache.Merge(entries)
		p.Files = append(p.Files, File{cacheFile, string(p.libc.cache.Bytes())})
		if info, err := fs.Stat(p.Image, relative(confDir)); err == nil && info.IsDir() && len(p.folders) > 0 {
			p.Files = append(p.Files, File{confFile, strings.Join(p.folders, "\n") + "\n"})
		}
	}
}

// links takes those that lead to something that the container gets.
func (p *planner) links(links []Link) {
	there := map[string]bool{}
	for _, b := range slices.Concat(p.Binds, p.Devices) {
		there[b.Target] = true
	}
	for more := true; more; {
		more = false
		for _, l := range links {
			to := l.Text
			if !path.IsAbs(to) {
				to = path.Join(path.Dir(l.Path), to)
			}
			// Without Hides, /dev is the host's and has its links.
			if inDev := strings.HasPrefix(l.Path, "/dev/"); there[path.Clean(to)] && !there[l.Path] && (p.Hides || !inDev) {
				there[l.Path], more = true, true
				p.Links = append(p.Links, l)
			}
		}
	}
}

// entries are what the cache of the dynamic linker is to have besides the image's.
// Those that the image brings for use with this driver come first.
func (p *planner) entries() (entries []ldcache.Entry) {
	if len(p.libs) == 0 {
		return nil
	}
	entries = p.compatible()
	for _, c := range p.libs {
		flags, _ := ldcache.Flags(c.Arch)
		if dir := path.Dir(c.Target); len(p.folders) > 0 && !slices.Contains(p.folders, dir) {
			continue
		}
		name := c.SoName
		if name == "" {
			name = path.Base(c.Target)
		}
		entries = append(entries, ldcache.Entry{Name: name, Path: path.Join(path.Dir(c.Target), name), Flags: flags})
	}
	for _, l := range p.Links {
		dir, base := path.Split(l.Path)
		to := path.Join(dir, l.Text)
		if i := slices.IndexFunc(entries, func(e ldcache.Entry) bool { return e.Path == to }); i >= 0 && isLibrary(base) {
			entries = append(entries, ldcache.Entry{Name: base, Path: l.Path, Flags: entries[i].Flags})
		}
	}
	return entries
}

// compatDir is where images have a libcuda that works with older drivers than its own.
const compatDir = "/usr/local/cuda/compat"

// compatible returns what is in compatDir, if it is newer than the host's driver and
// works with it.
func (p *planner) compatible() (entries []ldcache.Entry) {
	if p.compat == "" || p.Image == nil {
		return nil
	}
	dir, err := fs.ReadDir(p.Image, relative(compatDir))
	if err != nil {
		return nil
	}
	usable := false
	for _, d := range dir {
		version, isCUDA := strings.CutPrefix(d.Name(), "libcuda.so.")
		if !isLibrary(d.Name()) || isCUDA && !strings.Contains(version, ".") {
			continue
		}
		file := path.Join(compatDir, d.Name())
		lib, err := library.Open(p.Image, relative(file))
		if err != nil || lib.Arch != p.Arch || lib.SoName == "" {
			continue
		}
		usable = usable || isCUDA && worksWith(p.compat, version, lib.Forward)
		entries = append(entries, ldcache.Entry{Name: lib.SoName, Path: file, Flags: p.libc.flags})
	}
	if !usable {
		return nil
	}
	p.driver.compat = true
	p.note("%s of the image is used, which is newer than the driver %s", compatDir, p.compat)
	return entries
}

// worksWith says whether a libcuda of a version is better with a driver than the
// driver's own is.
func worksWith(driver, version string, note *library.Forward) bool {
	driverMajor, _, _ := strings.Cut(driver, ".")
	major, _, _ := strings.Cut(version, ".")
	if note == nil {
		return library.Compare(major, driverMajor) > 0
	}
	return library.Compare(version, driver) > 0 &&
		slices.ContainsFunc(note.Drivers, func(d int) bool { return library.Compare(driverMajor, strconv.Itoa(d)) == 0 })
}
