package image

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// Use says what an image is opened for.
type Use int

// The uses.
const (
	System Use = iota // to be run
	Data              // to have files of it bound into a container
	Layer             // to be laid over another image
)

// ext3FS is what package sif calls the file system.
const ext3FS = "ext3"

// OpenParts opens the file at path for a use other than System: a SquashFS file,
// one with an ext3 file system, or partitions of a SIF file, each as a File of its
// own. Of a SIF file these are the first with data, or all that are overlays, in
// their order; or the one with the id, unless that is 0. Options hold for each; for a
// file system that is no SquashFS Hold is called without objects, as no signature
// holds for what may be written to.
func OpenParts(path string, use Use, id uint32, o Options) ([]*File, error) {
	f, st, err := openImage(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the parts have descriptors of their own
	if st.IsDir() {
		return nil, hint.New(fmt.Sprintf("open image %s: it is a directory", path), "bind what is in it as it is, without image-src and id")
	}
	ids, err := partitions(f, st.Size(), use, id)
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", path, err)
	}
	return openParts(f, Info{Path: path, Name: o.Name}, use, ids, o)
}

// Layers opens the overlays that the image's own file holds, as OpenParts does.
// That there are none is no error.
func (f *File) Layers(o Options) ([]*File, error) {
	if f.sif == nil {
		return nil, nil
	}
	return openParts(f.f, Info{Path: f.info.Path, Name: f.info.Name}, Layer, overlays(f.sif), o)
}

// Extent returns where in the file the file system or partition is, in bytes.
func (f *File) Extent() (offset, size int64) { return f.part.offset, f.part.size }

// partitions returns the ids of what to open of a file for a use. Of a file that
// is no SIF file, that is 0.
func partitions(f *os.File, size int64, use Use, id uint32) ([]uint32, error) {
	magic := make([]byte, len(sif.Magic))
	if _, err := f.ReadAt(magic, sif.MagicOffset); err != nil && err != io.EOF {
		return nil, err
	}
	if string(magic) != sif.Magic {
		return []uint32{0}, nil
	}
	img, err := sif.Open(f, size)
	if err != nil || id != 0 {
		return []uint32{id}, err
	}
	if use == Layer {
		ids := overlays(img)
		if len(ids) == 0 {
			return nil, hint.New("it has no overlay", "add one: sealift overlay create, or give a file or directory that is one")
		}
		return ids, nil
	}
	for _, p := range img.Partitions(sif.Data) {
		return []uint32{p.ID}, nil
	}
	return nil, hint.New("no data partition found", "name another partition with id=N: 'sealift sif list' shows them")
}

func overlays(img *sif.Image) (ids []uint32) {
	for _, p := range img.Partitions(sif.Overlay) {
		ids = append(ids, p.ID)
	}
	return ids
}

// openParts opens partitions of f, each through a copy of its descriptor.
func openParts(f *os.File, info Info, use Use, ids []uint32, o Options) (files []*File, err error) {
	for _, id := range ids {
		var file *File
		if file, err = openPart(f, info, use, id, o); err != nil {
			break
		}
		files = append(files, file)
	}
	if err == nil {
		return files, nil
	}
	err = fmt.Errorf("open image %s: %w", info.Path, err)
	for _, opened := range files {
		err = errors.Join(err, opened.Close())
	}
	return nil, err
}

func openPart(f *os.File, info Info, use Use, id uint32, o Options) (*File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("copy its descriptor: %w", err)
	}
	file := &File{f: os.NewFile(uintptr(fd), f.Name()), info: info}
	st, err := file.f.Stat()
	if err == nil {
		err = file.openFile(st.Size(), use, id, o)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// unsigned asks whether a file system may be used that no signature holds for.
func (f *File) unsigned(o Options) error {
	if o.Hold == nil {
		return nil
	}
	_, err := o.Hold(f.f, nil)
	return err
}
