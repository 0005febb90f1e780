// Package view tells what a path will lead to in a container that is still
// being planned.
//
// Input: the image's file system, the host's, and the mounts and entries
// planned so far. Output: canonical paths and file types. Symbolic links are
// followed as a process in the container would follow them. Nothing is tried
// out: the package looks through the file systems that it is given and has no
// other access to anything.
package view

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/image"
)

// Backing says where the files below a mount come from.
type Backing int

// The kinds of backing.
const (
	Image  Backing = iota // the image, with entries added
	Host                  // a host directory or file
	Volume                // a directory or file of another image
	Memory                // a tmpfs made by the plan
	Kernel                // procfs, devpts and the like, of unknown content
)

// Mount is one mount of the plan so far.
type Mount struct {
	Target string // canonical path in the container
	From   Backing
	Source string // path on the host, or in Files
	Dir    bool   // a directory, not a file
	Grow   bool   // mount points missing below may be made in it
	// Files is the file system of a Volume, or nil where nobody can look into it.
	Files fs.FS
}

// SourcePath returns the name that a canonical path in m, a Host or Volume mount,
// has there.
func (m Mount) SourcePath(p string) string {
	return path.Clean(m.Source + strings.TrimPrefix(p, m.Target))
}

// View is the container's file tree as it will be after the operations planned
// so far. It answers what a path will lead to, from the image, the host's tree
// and the list of mounts, so that nothing is tried out.
type View struct {
	image  image.FS // nil for an empty root
	host   fs.FS
	mounts []Mount
	made   map[string]fs.FileMode // entries added, by canonical path
	links  map[string]string      // texts of those that are links
	memo   map[string]fs.FileMode // types of image files looked up
	dirs   map[string]fs.FileMode // directories that no link leads to, which paths begin with again and again
}

// New returns the view of a container on an image, or on an empty root when img
// is nil, with nothing mounted. The tree host is that of the machine, rooted at /.
func New(img image.FS, host fs.FS) *View {
	return &View{image: img, host: host, made: map[string]fs.FileMode{}, links: map[string]string{}, memo: map[string]fs.FileMode{},
		dirs: map[string]fs.FileMode{}}
}

// Governing returns the mount that path, a canonical one, is in. A later mount
// hides the earlier ones below its target.
func (v *View) Governing(path string) Mount {
	for _, m := range slices.Backward(v.mounts) {
		if Within(path, m.Target) {
			return m
		}
	}
	return Mount{Target: "/", From: Image, Dir: true}
}

// Within says whether p is dir or below it.
func Within(p, dir string) bool {
	return p == dir || dir == "/" || (strings.HasPrefix(p, dir) && p[len(dir)] == '/')
}

// Relative is the name that io/fs uses for an absolute path.
func Relative(p string) string {
	if p = strings.TrimPrefix(path.Clean(p), "/"); p != "" {
		return p
	}
	return "."
}

// Lstat returns the type of the file at a canonical path.
func (v *View) Lstat(p string) (mode fs.FileMode, found bool, err error) {
	m := v.Governing(p)
	if p == m.Target {
		if m.Dir {
			return fs.ModeDir | 0o755, true, nil
		}
		return 0o644, true, nil
	}
	if mode, ok := v.made[p]; ok {
		return mode, true, nil
	}
	if m.From == Image {
		return v.LstatImage(p)
	}
	if files := v.files(m); files != nil {
		return lstat(files, Relative(m.SourcePath(p)))
	}
	return 0, false, nil
}

// files returns the file system that m shows a part of, or nil where there is none
// to look into.
func (v *View) files(m Mount) fs.FS {
	switch m.From {
	case Host:
		return v.host
	case Volume:
		return m.Files
	}
	return nil
}

// LstatImage is Lstat for the image alone, whatever is mounted or made. It
// remembers what it finds; paths share most of their components.
func (v *View) LstatImage(p string) (fs.FileMode, bool, error) {
	if v.image == nil {
		return 0, false, nil
	}
	if mode, ok := v.memo[p]; ok {
		return mode, true, nil
	}
	mode, found, err := lstat(v.image, Relative(p))
	if found {
		v.memo[p] = mode
	}
	return mode, found, err
}

// lstat tells a missing file from an unreadable one. A name below something
// that is no directory is missing too.
func lstat(fsys fs.FS, name string) (fs.FileMode, bool, error) {
	info, err := fs.Lstat(fsys, name)
	switch {
	case err == nil:
		return info.Mode(), true, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return 0, false, nil
	}
	return 0, false, err
}

// Stat returns what path leads to, and false when it leads nowhere.
func (v *View) Stat(p string) (fs.FileMode, bool) {
	at, err := v.Resolve(p)
	return at.Mode, err == nil && at.Found
}

// IsFile says whether path leads to a regular file.
func (v *View) IsFile(p string) bool {
	mode, found := v.Stat(p)
	return found && mode.IsRegular()
}

// Original says whether a canonical path shows the image's own file, or none,
// and not something mounted or made.
func (v *View) Original(p string) bool {
	_, made := v.made[p]
	return !made && v.Governing(p).From == Image
}

// Names lists a directory, sorted. What is missing or no directory is empty.
func (v *View) Names(dir string) ([]string, error) {
	at, err := v.Resolve(dir)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil || !at.Found || !at.Mode.IsDir() {
		return nil, err
	}
	set := map[string]bool{}
	m := v.Governing(at.Path)
	var entries []fs.DirEntry
	switch files := v.files(m); {
	case files != nil:
		entries, err = fs.ReadDir(files, Relative(m.SourcePath(at.Path)))
	case m.From == Image && v.image != nil:
		entries, err = v.image.ReadDir(Relative(at.Path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		set[e.Name()] = true
	}
	for p := range v.made {
		if path.Dir(p) == at.Path {
			set[path.Base(p)] = true
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// Add records a mount, which hides what was made below its target.
func (v *View) Add(m Mount) {
	maps.DeleteFunc(v.made, func(p string, _ fs.FileMode) bool { return p != m.Target && Within(p, m.Target) })
	clear(v.dirs)
	v.mounts = append(v.mounts, m)
}

// Link records a symbolic link as an entry.
func (v *View) Link(p, text string) {
	v.links[p] = text
	v.Make(p, fs.ModeSymlink|0o777)
}

// Make records an entry and the directories on the way to it.
func (v *View) Make(p string, mode fs.FileMode) {
	v.made[p] = mode
	delete(v.dirs, p)
	for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
		if _, found, _ := v.Lstat(dir); found { // errors were met on the way down
			return
		}
		v.made[dir] = fs.ModeDir | 0o755
	}
}
