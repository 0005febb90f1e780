// Package volume opens what a container has besides its image: other images, whose
// files are bound or laid over it, and directories that are laid over it.
//
// Input: what is wanted (runtime/layout). Output: what is known of it, for the plan,
// and open files, for as long as the container lives. A directory is locked, lest two
// containers write to it at once, or one to what another reads. It changes nothing.
package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/runtime/layout"
)

// Volume is open. Close ends what was read through it.
type Volume struct {
	layout.Volume
	// File is the image, or nil for a directory.
	File *image.File

	dirs []*os.File // the directory, which has the lock, and the one that has the files
}

// Open opens what is wanted, images with these options. There is more than one
// result where a SIF file holds several overlays.
func Open(w layout.Want, o image.Options) ([]*Volume, error) {
	if st, err := os.Stat(w.Path); w.Use == image.Layer && err == nil && st.IsDir() {
		v, err := openDirectory(w)
		if err != nil {
			return nil, fmt.Errorf("overlay %s: %w", w.Path, err)
		}
		return []*Volume{v}, nil
	}
	files, err := image.OpenParts(w.Path, w.Use, w.ID, o)
	return all(w, files, false), err
}

// own opens the overlays that an image's own file holds.
func own(img *image.File, o image.Options) ([]*Volume, error) {
	files, err := img.Layers(o)
	return all(layout.Want{Path: img.Path(), Use: image.Layer}, files, true), err
}

func all(w layout.Want, files []*image.File, own bool) (list []*Volume) {
	for _, f := range files {
		offset, _ := f.Extent()
		list = append(list, &Volume{Volume: layout.Volume{Want: w, Own: own, Info: f.Info(), Offset: offset}, File: f})
	}
	return list
}

// upperName is the directory of an overlay that holds the files.
const upperName = "upper"

func openDirectory(w layout.Want) (v *Volume, err error) {
	v = &Volume{Volume: layout.Volume{Want: w, Info: image.Info{Path: w.Path, Kind: image.Sandbox}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()
	dir, err := v.open(w.Path)
	if err != nil {
		return v, err
	}
	if v.Directory, err = describe(dir); err != nil {
		return v, err
	}
	if err := lock(dir, w.Write && !v.Directory.Closed && !v.Directory.ReadOnly); err != nil {
		return v, err
	}
	// What is not there yet holds nothing.
	files := dir
	upper := filepath.Join(w.Path, upperName)
	switch st, err := os.Stat(upper); {
	case err == nil && st.IsDir():
		v.Directory.Upper = true
		if files, err = v.open(upper); err != nil {
			return v, err
		}
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return v, errors.Join(err, fmt.Errorf("%s is no directory that can be looked into", upper))
	case w.Write:
		return v, nil
	}
	v.Info.FS = sandbox.FS(files)
	return v, nil
}

// open opens a directory until Close.
func (v *Volume) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, hint.Wrap(err, "get permission to read it")
	}
	v.dirs = append(v.dirs, f)
	return f, nil
}

// describe tells whose a directory is, and whether it can be written to.
func describe(dir *os.File) (d layout.Directory, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return d, err
	}
	d.Owner = st.Uid
	switch err := unix.Access(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), unix.W_OK|unix.X_OK); {
	case errors.Is(err, unix.EROFS):
		d.ReadOnly = true
	case err != nil:
		d.Closed = true
	}
	return d, nil
}

// lock takes the lock of a directory (flock(2)): alone to write to it. A file system
// without locks is used without.
func lock(dir *os.File, write bool) error {
	how := syscall.LOCK_SH
	if write {
		how = syscall.LOCK_EX
	}
	err := syscall.Flock(int(dir.Fd()), how|syscall.LOCK_NB)
	switch {
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return nil
	case write:
		return hint.New("another container uses it", "wait until that has ended, or take a copy: what is written to must not be in use elsewhere")
	}
	return hint.New("another container writes to it", "wait until that has ended, or take a copy")
}

// Close closes the volume, and gives its lock back.
func (v *Volume) Close() error {
	var err error
	if v.File != nil {
		err = v.File.Close()
	}
	for _, d := range v.dirs {
		err = errors.Join(err, d.Close())
	}
	return err
}
