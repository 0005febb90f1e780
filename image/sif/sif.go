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
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
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

// Partition is a file system in the image.
type Partition struct {
	// ID is the object's.
	ID uint32
	// Offset and Size are in bytes.
	Offset, Size int64
	// FS is the file system: squashfs, ext3, archive, raw, encrypted squashfs,
	// gocryptfs squashfs or unknown.
	FS string
	// Arch is the architecture by its Go name, or empty where unknown.
	Arch string

	primary bool
}

// Image is a SIF file whose header and descriptors are sound.
type Image struct {
	r       io.ReaderAt
	h       *header
	objects []Object
	slots   []int // of the objects' descriptors in the table
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
	if size < headerSize {
		return nil, truncated("the header", headerSize, size)
	}
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, headerSize), b); err != nil {
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
	primaries := 0
	for _, o := range objects {
		if p, ok := o.Partition(); ok && p.primary {
			primaries++
		}
	}
	if primaries > 1 {
		return nil, fmt.Errorf("%d primary system partitions", primaries)
	}
	return &Image{r, h, objects, slots}, nil
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

// Partition returns what the descriptor says about a file system, and whether
// the object is one.
func (o Object) Partition() (Partition, bool) {
	if o.Type != FileSystem {
		return Partition{}, false
	}
	extra := o.raw[extraOffset:]
	fs, part := binary.LittleEndian.Uint32(extra), binary.LittleEndian.Uint32(extra[4:])
	return Partition{
		ID: o.ID, Offset: o.Offset, Size: o.Size, FS: fsName(fs), Arch: archName(extra[8:11]),
		primary: part == uint32(sif.PartPrimSys),
	}, true
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

// Arch returns the Go name of the primary partition's architecture, or the
// empty string. It never is the header's, which no signature covers.
func (i *Image) Arch() string {
	p, _ := i.primary()
	return p.Arch
}

func (i *Image) primary() (Partition, bool) {
	for _, o := range i.objects {
		if p, ok := o.Partition(); ok && p.primary {
			return p, true
		}
	}
	return Partition{}, false
}

// File returns what the image is read from, and its size in bytes.
func (i *Image) File() (io.ReaderAt, int64) { return i.r, i.h.fileEnd }

// Primary returns the partition to run: the primary system partition, which
// must be SquashFS, or the encrypted form of it that package crypt opens.
func (i *Image) Primary() (Partition, error) {
	p, ok := i.primary()
	if !ok {
		return p, i.noPrimary()
	}
	if p.FS == fsName(uint32(sif.FsSquash)) || p.Encrypted() {
		return p, nil
	}
	err := fmt.Errorf("sif: the primary system partition is %s, not squashfs", p.FS)
	switch p.FS {
	case "encrypted squashfs":
		err = errors.New("sif: it is encrypted with dm-crypt, which only the root user of a machine can open")
		return p, hint.Wrap(err, "build it again where its source is: sealift build --encrypt, "+
			"or as root with Apptainer: apptainer build --sandbox DIRECTORY IMAGE, then sealift build --encrypt IMAGE DIRECTORY")
	case "ext3":
		return p, hint.Wrap(err, "rebuild the image; version 2 of Singularity was the last to make such ones")
	}
	return p, err
}

func (i *Image) noPrimary() error {
	for _, o := range i.objects {
		if o.Type == OCIRootIndex {
			return hint.New("sif: it holds an OCI image (OCI-SIF) and no primary system partition",
				"pull or build the image without --oci")
		}
	}
	return hint.Wrap(errors.New("sif: no primary system partition"),
		"use an image that holds a container; this one holds data only")
}

// fsGocryptfs is Apptainer's addition to the file system ids of the format.
const fsGocryptfs sif.FSType = 6

// Encrypted tells a partition that package crypt opens.
func (p Partition) Encrypted() bool { return p.FS == fsName(uint32(fsGocryptfs)) }

// Messages returns the passwords of an encrypted partition, encrypted for RSA
// keys, of which each has at most limit bytes.
func (i *Image) Messages(p Partition, limit int64) (messages [][]byte, err error) {
	for _, o := range i.objects {
		extra := o.raw[extraOffset:]
		format, kind := binary.LittleEndian.Uint32(extra), binary.LittleEndian.Uint32(extra[4:])
		if o.Type != Message || o.Link != p.ID || o.LinksGroup ||
			format != uint32(sif.FormatPEM) || kind != uint32(sif.MessageRSAOAEP) {
			continue
		}
		m, err := i.Read(o, limit)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// fsName names the file system ids of the format.
func fsName(id uint32) string {
	names := [...]string{
		"unknown", "squashfs", "ext3", "archive", "raw", "encrypted squashfs", "gocryptfs squashfs",
	}
	if id >= uint32(len(names)) {
		return names[0]
	}
	return names[id]
}

// archName translates two digits and a NUL into a Go architecture.
func archName(b []byte) string {
	names := [...]string{
		"", "386", "amd64", "arm", "arm64", "ppc64", "ppc64le", "mips", "mipsle",
		"mips64", "mips64le", "s390x", "riscv64", "loong64",
	}
	tens, ones := int(b[0])-'0', int(b[1])-'0'
	if tens < 0 || ones < 0 || ones > 9 || b[2] != 0 || tens*10+ones >= len(names) {
		return ""
	}
	return names[tens*10+ones]
}
