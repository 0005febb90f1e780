package sif

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Header is what the header of an image says. No signature covers Arch, the times
// and what follows them.
type Header struct {
	Launch, Version string
	// Arch is the Go name of an architecture, empty for none.
	Arch string
	// ID is a UUID in its usual spelling.
	ID string
	// Created and Modified are in seconds since the epoch.
	Created, Modified int64
	// The count of descriptors that are free and of all, and where the table and
	// the data are, in bytes.
	Free, Total, TableOffset, TableSize, DataOffset, DataSize int64
}

// Header returns the header.
func (i *Image) Header() Header {
	h := i.h
	return Header{
		Launch: text(h.raw[:MagicOffset]), Version: text(h.raw[versionAt:archAt]), Arch: archName(h.raw[archAt : archAt+3]), ID: i.ID(),
		Created: h.created, Modified: int64(binary.LittleEndian.Uint64(h.raw[modifiedAt:])), Free: h.free, Total: h.total,
		TableOffset: h.tableOffset, TableSize: h.tableSize, DataOffset: h.dataOffset, DataSize: h.dataSize,
	}
}

// Lookup is Object, with an error where there is none.
func (i *Image) Lookup(id uint32) (Object, error) {
	o, ok := i.Object(id)
	if !ok {
		return o, hint.New(fmt.Sprintf("no object has the id %d", id), "'sealift sif list' shows the objects")
	}
	return o, nil
}

// PrimaryObject returns the primary system partition, whatever its file system.
func (i *Image) PrimaryObject() (Object, bool) {
	p, ok := i.primary()
	if !ok {
		return Object{}, false
	}
	return i.Object(p.ID)
}

// Detail is one thing that the descriptor of an object says by its type.
type Detail struct{ Name, Value string }

// Details returns what the descriptor says by the type of the object, in the words
// of the reference tool. Anybody may have written it.
func (o Object) Details() []Detail {
	first, second := binary.LittleEndian.Uint32(o.raw[extraOffset:]), binary.LittleEndian.Uint32(o.raw[extraOffset+4:])
	switch o.Type {
	case FileSystem:
		p, _ := o.Partition()
		if p.Arch == "" {
			p.Arch = "unknown"
		}
		fs := sif.FSType(first).String()
		if p.FS == fsName(uint32(fsGocryptfs)) {
			fs = "Gocryptfs squashfs"
		}
		return []Detail{{"Filesystem Type", fs}, {"Partition Type", p.Role.String()}, {"Architecture", p.Arch}}
	case Signature:
		hash := "Unknown"
		if h, ok := hashes()[int32(first)]; ok {
			hash = h.String()
		}
		if o.Fingerprint() == "" {
			return []Detail{{"Hash Type", hash}}
		}
		return []Detail{{"Hash Type", hash}, {"Entity", o.Fingerprint()}}
	case Message:
		return []Detail{{"Format Type", sif.FormatType(first).String()}, {"Message Type", sif.MessageType(second).String()}}
	case SBOM:
		return []Detail{{"Format", sif.SBOMFormat(first).String()}}
	case sif.DataOCIRootIndex, sif.DataOCIBlob:
		digest, _, _ := strings.Cut(string(o.raw[extraOffset:]), "\x00")
		return []Detail{{"Digest", digest}}
	}
	return nil
}
