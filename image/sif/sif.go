// Package sif reads and writes the Singularity Image Format (SIF), version 01.
//
// Input: a file, or what is to become one. Output: its objects, the position
// of its primary system partition; or a file. A SIF file is a 128-byte header,
// a table of 585-byte descriptors, and the objects they describe. Every image
// is hostile until parsed here: nothing downstream sees an offset or size that
// does not lie in the file. Files are written by the reference library,
// github.com/sylabs/sif/v2, which image/trust gets for those that Open has
// accepted. The package mounts, verifies and interprets nothing.
package sif

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/sylabs/sif/v2/pkg/sif"
)

const (
	groupMask   = 0xf0000000 // marks group ids
	extraOffset = 201        // of what a type of objects has of its own, in a descriptor
)

// Type says what an object is.
type Type = sif.DataType

// The types of objects that Sealift itself looks for.
const (
	Deffile      = sif.DataDeffile
	Labels       = sif.DataLabels
	FileSystem   = sif.DataPartition
	Signature    = sif.DataSignature
	JSON         = sif.DataGenericJSON
	Generic      = sif.DataGeneric
	SBOM         = sif.DataSBOM
	OCIRootIndex = sif.DataOCIRootIndex
	Message      = sif.DataCryptoMessage
)

// Object describes one data object. Its bytes lie in the file, and no other
// object's do there.
type Object struct {
	Type Type
	// ID is unique in the file and positive.
	ID uint32
	// Group is 0 for an object without group.
	Group uint32
	// Link is the id of the object or group this one belongs to, or 0.
	Link       uint32
	LinksGroup bool
	Name       string
	// Offset and Size are in bytes.
	Offset, Size int64
	// Created and Modified are in seconds since the epoch.
	Created, Modified int64

	raw [descriptorSize]byte
}

// String names the object in errors.
func (o Object) String() string { return fmt.Sprintf("object %d (%v)", o.ID, o.Type) }

// Image is a SIF file whose header and descriptors are sound.
type Image struct {
	r       io.ReaderAt
	h       *header
	objects []Object
	slots   []int // of the objects' descriptors in the table
	// selected is the id of the partition that counts as the primary one, or 0.
	selected uint32
}

// Open parses the header and the descriptors of a SIF file of size bytes. It
// reads nothing else, and keeps r for Read.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	img, err := load(r, size)
	if err != nil {
		return nil, fmt.Errorf("sif: %w", err)
	}
	return img, nil
}

func load(r io.ReaderAt, size int64) (*Image, error) {
	if size < HeaderSize {
		return nil, truncated("the header", HeaderSize, size)
	}
	b := make([]byte, HeaderSize)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, HeaderSize), b); err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	h, err := parseHeader(b, size)
	if err != nil {
		return nil, err
	}
	objects, slots, err := h.readObjects(r)
	if err != nil {
		return nil, err
	}
	img := &Image{r: r, h: h, objects: objects, slots: slots}
	if primaries := len(img.Partitions(sif.PartPrimSys)); primaries > 1 {
		return nil, fmt.Errorf("%d primary system partitions", primaries)
	}
	return img, nil
}

// Load is Open of all of a file.
func Load(f *os.File) (*Image, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Open(f, st.Size())
}

// Created returns when the image was made, in seconds since the epoch.
func (i *Image) Created() int64 { return i.h.created }

// ID returns the image's UUID in its usual spelling.
func (i *Image) ID() string {
	u := i.h.id
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Free returns how many objects can be added.
func (i *Image) Free() int { return int(i.h.total) - len(i.objects) }

// Objects returns the objects in the order of their descriptors. The caller
// must not change the slice.
func (i *Image) Objects() []Object { return i.objects }

// Find returns the first object of type t that has the name, if any.
func (i *Image) Find(t Type, name string) (Object, bool) {
	for _, o := range i.objects {
		if o.Type == t && o.Name == name {
			return o, true
		}
	}
	return Object{}, false
}

// Object returns the object with the id, if there is one.
func (i *Image) Object(id uint32) (Object, bool) {
	for _, o := range i.objects {
		if o.ID == id {
			return o, true
		}
	}
	return Object{}, false
}

// Section returns a reader of the bytes of an object.
func (i *Image) Section(o Object) *io.SectionReader {
	return io.NewSectionReader(i.r, o.Offset, o.Size)
}

// Read returns the bytes of an object that has at most limit of them.
func (i *Image) Read(o Object, limit int64) ([]byte, error) {
	if o.Size > limit {
		return nil, fmt.Errorf("sif: %v has %d bytes; the limit is %d", o, o.Size, limit)
	}
	b := make([]byte, o.Size)
	if _, err := io.ReadFull(i.Section(o), b); err != nil {
		return nil, fmt.Errorf("sif: read %v: %w", o, err)
	}
	return b, nil
}

// Fingerprint returns the one that the descriptor of a signature names, 20 bytes
// in hexadecimal digits, or the empty string. Anybody may have written it.
func (o Object) Fingerprint() string {
	fingerprint := o.raw[extraOffset+4:][:20]
	if o.Type != Signature || bytes.Equal(fingerprint, make([]byte, len(fingerprint))) {
		return ""
	}
	return fmt.Sprintf("%X", fingerprint)
}

// File returns what the image is read from, and its size in bytes.
func (i *Image) File() (io.ReaderAt, int64) { return i.r, i.h.fileEnd }
