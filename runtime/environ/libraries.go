package environ

import (
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/shell"
	"github.com/sealift/sealift/runtime/view"
)

// Bounds on an image's ld.so.conf.
const (
	maxLinkerFile  = 64 << 10 // bytes of one file
	maxLinkerFiles = 100
	maxLinkerDirs  = 200
	maxLinkerLooks = 2000 // lines and patterns, each of which costs a look at a directory
)

// linkerDirs are the directories of libraries that the C library knows by itself.
var linkerDirs = []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// LibraryDirs returns the directories in which programs of the image img look for
// libraries: those that ldconfig(8) would search in the container v. Where there is
// no /etc/ld.so.conf, as with other C libraries than glibc, it returns none.
func LibraryDirs(v *view.View, img image.FS) []string {
	const config = "/etc/ld.so.conf"
	if !v.IsFile(config) {
		return nil
	}
	l := linker{files: Files(v, img), view: v}
	l.read(config)
	for _, dir := range linkerDirs {
		l.add(dir)
	}
	return l.dirs
}

// linker reads the configuration of the dynamic linker.
type linker struct {
	files shell.Files
	view  *view.View
	seen  []string // canonical paths of dirs
	dirs  []string
	count int // files read
	looks int // directories looked at
}

// read takes the lines of a file: directories, and patterns of other files. A file
// that cannot be read says nothing.
func (l *linker) read(name string) {
	if l.count++; l.count > maxLinkerFiles {
		return
	}
	text, err := l.files.Read(name)
	if err != nil || len(text) > maxLinkerFile {
		return
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "hwcap":
		case fields[0] == "include":
			for _, pattern := range fields[1:] {
				l.include(path.Dir(name), pattern)
			}
		default:
			dir, _, _ := strings.Cut(fields[0], "=")
			l.add(dir)
		}
	}
}

// include reads the files that a pattern stands for; wildcards are in its last
// component.
func (l *linker) include(dir, pattern string) {
	if !path.IsAbs(pattern) {
		pattern = path.Join(dir, pattern)
	}
	if l.looks++; l.looks > maxLinkerLooks {
		return
	}
	names, err := l.view.Names(path.Dir(pattern))
	if err != nil {
		return
	}
	for _, name := range names {
		if ok, err := path.Match(path.Base(pattern), name); ok && err == nil {
			l.read(path.Join(path.Dir(pattern), name))
		}
	}
}

// add takes a directory that exists, once, and can be part of a list.
func (l *linker) add(dir string) {
	if !path.IsAbs(dir) || strings.ContainsAny(dir, ":\x00") || len(l.dirs) == maxLinkerDirs {
		return
	}
	if l.looks++; l.looks > maxLinkerLooks {
		return
	}
	at, err := l.view.Resolve(dir)
	if err != nil || !at.Found || !at.Mode.IsDir() || slices.Contains(l.seen, at.Path) {
		return
	}
	l.seen, l.dirs = append(l.seen, at.Path), append(l.dirs, dir)
}
