package contents

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

// Listing is what List makes of one path.
type Listing struct {
	fsys FS
	name string
	// Dir tells whether the path leads to a directory; the entries are then
	// what is in it.
	Dir bool
	// Path is the path with a leading slash.
	Path string
}

// List looks up a path. A symbolic link that leads to a directory stands for
// it; any other is listed itself.
func List(fsys FS, at string) (*Listing, error) {
	l := &Listing{fsys: fsys, name: Name(at), Path: path.Clean("/" + at)}
	if _, err := fs.Lstat(fsys, l.name); err != nil {
		return nil, fmt.Errorf("%s: %w", Quote(l.Path), cause(err))
	}
	info, err := fsys.Stat(l.name)
	l.Dir = err == nil && info.IsDir()
	return l, nil
}

// Entries passes the entries to visit, sorted by name: those in the directory,
// or the one that the path is. Deep adds the directory itself before them and
// all below it, each directory before what is in it.
func (l *Listing) Entries(deep bool, visit func(Entry) error) error {
	w := walker{l.fsys, deep, visit, map[format.Ref]bool{}}
	if l.Dir && !deep {
		return w.entries(l.name)
	}
	look := l.fsys.Stat
	if !l.Dir {
		look = l.fsys.Lstat
	}
	info, err := look(l.name)
	if err != nil {
		return err
	}
	return w.entry(l.name, info)
}

type walker struct {
	fsys  FS
	deep  bool
	visit func(Entry) error
	seen  map[format.Ref]bool // directories of a SquashFS image
}

func (w walker) entries(dir string) error {
	list, err := w.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, d := range list {
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("%s: %w", Quote("/"+path.Join(dir, d.Name())), err)
		}
		if err := w.entry(path.Join(dir, d.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

func (w walker) entry(name string, info fs.FileInfo) error {
	e, err := describe(w.fsys, name, info)
	if err != nil {
		return err
	}
	if err := w.visit(e); err != nil || !w.deep || !info.IsDir() {
		return err
	}
	// An image that has few directories, each in the last one twice, would
	// have no end of paths.
	if ino, ok := info.Sys().(*squashfs.Inode); ok {
		if w.seen[ino.Ref] {
			return fmt.Errorf("directory %s has another name: %w", Quote(e.Path), squashfs.ErrCorrupt)
		}
		w.seen[ino.Ref] = true
	}
	return w.entries(name)
}

// cause returns what is inside an error of package io/fs, whose path is shown
// in another form.
func cause(err error) error {
	if named, ok := err.(*fs.PathError); ok {
		return named.Err
	}
	return err
}
