package sif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

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
	// Role is what the partition is for.
	Role Role
}

// Role says what a partition is for.
type Role = sif.PartType

// The roles of partitions besides those of the systems that are run.
const (
	Data    = sif.PartData
	Overlay = sif.PartOverlay
)

// Partition returns what the descriptor says about a file system, and whether
// the object is one.
func (o Object) Partition() (Partition, bool) {
	if o.Type != FileSystem {
		return Partition{}, false
	}
	extra := o.raw[extraOffset:]
	fs, part := binary.LittleEndian.Uint32(extra), binary.LittleEndian.Uint32(extra[4:])
	return Partition{
		ID: o.ID, Offset: o.Offset, Size: o.Size, FS: fsName(fs), Arch: archName(extra[8:11]), Role: Role(part),
	}, true
}

func (p Partition) isPrimary() bool { return p.Role == sif.PartPrimSys }

// Partitions returns those of a role, in the order of their descriptors.
func (i *Image) Partitions(r Role) (list []Partition) {
	for _, o := range i.objects {
		if p, ok := o.Partition(); ok && p.Role == r {
			list = append(list, p)
		}
	}
	return list
}

// Select returns the image with another partition in the place of the primary one:
// Primary, PrimaryObject and Arch are about that of the object with the id.
func (i *Image) Select(id uint32) *Image {
	chosen := *i
	chosen.selected = id
	return &chosen
}

// Selected says whether Select has chosen the partition.
func (i *Image) Selected() bool { return i.selected != 0 }

// Again opens the file anew, which is read through r from now on. What is selected
// stays so.
func (i *Image) Again(r io.ReaderAt) (*Image, error) {
	again, err := Open(r, i.h.fileEnd)
	if err != nil {
		return nil, err
	}
	again.selected = i.selected
	return again, nil
}

// Arch returns the Go name of the primary partition's architecture, or the
// empty string. It never is the header's, which no signature covers.
func (i *Image) Arch() string {
	p, _ := i.primary()
	return p.Arch
}

func (i *Image) primary() (Partition, bool) {
	if i.selected != 0 {
		o, _ := i.Object(i.selected)
		return o.Partition()
	}
	for _, p := range i.Partitions(sif.PartPrimSys) {
		return p, true
	}
	return Partition{}, false
}

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
	err := fmt.Errorf("sif: the %s is %s, not squashfs", i.name(p), p.FS)
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

// name names the partition that Primary is about.
func (i *Image) name(p Partition) string {
	if i.selected != 0 {
		return fmt.Sprintf("partition %d", p.ID)
	}
	return "primary system partition"
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
	return names[id] // #nosec G602 -- looked at above
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
