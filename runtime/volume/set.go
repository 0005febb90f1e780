package volume

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/runtime/layout"
)

// Set is all that a container is put together from.
type Set struct {
	// Image is the container's, or nil.
	Image *image.File
	// Info is what is known of the image, or of what it was unpacked to.
	Info image.Info

	volumes []*Volume
	trees   map[*image.File]*tree.Node // of what is unpacked to memory
	temp    *output.Dir                // where images were unpacked to, or nil
}

// NewSet returns the set of an image, which it takes over, and of the overlays in its
// file.
func NewSet(img *image.File, o image.Options) (*Set, error) {
	s := &Set{Image: img, Info: img.Info()}
	var err error
	if s.volumes, err = own(img, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Add opens what is wanted, images with these options. What the image itself is
// wanted for, is whether it can be written to.
func (s *Set) Add(wants []layout.Want, o image.Options) error {
	for _, w := range wants {
		list, err := s.open(w, o)
		if err != nil {
			return err
		}
		s.volumes = append(s.volumes, list...)
	}
	return nil
}

func (s *Set) open(w layout.Want, o image.Options) ([]*Volume, error) {
	if w.Use != image.System {
		return Open(w, o)
	}
	v := &Volume{Volume: layout.Volume{Want: w, Info: s.Info}}
	if s.Info.Kind != image.Sandbox {
		return nil, nil
	}
	var err error
	v.Directory, err = describe(s.Image.File())
	return []*Volume{v}, err
}

// Volumes describes what there is besides the image, for the plan.
func (s *Set) Volumes() []layout.Volume {
	var list []layout.Volume
	for _, v := range s.volumes {
		list = append(list, v.Volume)
	}
	return list
}

// Shown returns the image whose files are for a directory of the container.
func (s *Set) Shown(m layout.Served) *image.File {
	if m.Volume < 0 {
		return s.Image
	}
	return s.volumes[m.Volume].File
}

// Reader is Shown for an image server.
func (s *Set) Reader(m layout.Served) (*squashfs.Reader, error) {
	img := s.Shown(m)
	if img == nil || img.Squash() == nil {
		return nil, fmt.Errorf("no image is for %s", m.Target)
	}
	return img.Squash(), nil
}

// Fill writes the files of an image to the directory of the container that they are
// for.
func (s *Set) Fill(m layout.Served, dir *os.File) error {
	img := s.Shown(m)
	if s.trees[img] == nil {
		return fmt.Errorf("no image is for %s", m.Target)
	}
	return write(context.Background(), s.trees[img], dir, img)
}

// Err returns the first error of data that is not what an image's hash tree says.
func (s *Set) Err() error {
	err := s.Image.Err()
	for _, v := range s.volumes {
		if v.File != nil {
			err = errors.Join(err, v.File.Err())
		}
	}
	return err
}

// Close closes everything, and removes what was unpacked. It may be called on nil.
func (s *Set) Close() error {
	if s == nil {
		return nil
	}
	err := s.Image.Close()
	for _, v := range s.volumes {
		err = errors.Join(err, v.Close())
	}
	if s.temp != nil {
		err = errors.Join(err, s.temp.Remove())
	}
	return err
}
