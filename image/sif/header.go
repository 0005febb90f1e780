package sif

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Sizes and limits of the format; all numbers in it are little-endian.
const (
	// HeaderSize is the size of the header in bytes.
	HeaderSize     = 128
	descriptorSize = 585
	maxDescriptors = 65536

	// MagicOffset and Magic are where and how a SIF file is recognised; the
	// 32 bytes before are the launch line.
	MagicOffset = 32
	Magic       = "SIF_MAGIC\x00"
	version     = "01\x00"
)

// Where fields of the header are, in bytes from its start.
const (
	versionAt  = 42
	archAt     = 45
	modifiedAt = 72
	freeAt     = 80
	dataSizeAt = 120
)

// header is what the global header says about the rest of the file.
type header struct {
	raw                    [HeaderSize]byte
	id                     [16]byte
	created                int64
	free, total            int64
	tableOffset, tableSize int64
	dataOffset, dataSize   int64
	tableEnd, fileEnd      int64
	table                  []byte // as it is in the file
}

// parseHeader reads the first HeaderSize bytes of a file of the given size and
// checks every field against that size.
func parseHeader(b []byte, size int64) (*header, error) {
	if string(b[MagicOffset:MagicOffset+len(Magic)]) != Magic {
		return nil, errors.New("no SIF magic at byte 32")
	}
	if v := b[versionAt:archAt]; string(v) != version {
		return nil, fmt.Errorf("SIF version %q is not 01", bytes.TrimRight(v, "\x00"))
	}
	n := func(off int) int64 { return int64(binary.LittleEndian.Uint64(b[off:])) }
	h := &header{
		raw: [HeaderSize]byte(b), id: [16]byte(b[48:64]), created: n(64), free: n(freeAt), total: n(88),
		tableOffset: n(96), tableSize: n(104), dataOffset: n(112), dataSize: n(dataSizeAt), fileEnd: size,
	}
	if h.total < 0 || h.total > maxDescriptors {
		return nil, fmt.Errorf("%d descriptors are not from 0 to %d", h.total, maxDescriptors)
	}
	if h.free < 0 || h.free > h.total {
		return nil, fmt.Errorf("%d of %d descriptors cannot be free", h.free, h.total)
	}
	if h.tableSize != h.total*descriptorSize {
		return nil, fmt.Errorf("the table of %d descriptors cannot have %d bytes", h.total, h.tableSize)
	}
	var ok bool
	if h.tableEnd, ok = end(h.tableOffset, h.tableSize); !ok || h.tableOffset < HeaderSize {
		return nil, fmt.Errorf("the descriptor table cannot be at byte %d", h.tableOffset)
	}
	if h.tableEnd > size {
		return nil, truncated("the descriptor table", h.tableEnd, size)
	}
	dataEnd, ok := end(h.dataOffset, h.dataSize)
	if !ok || h.dataOffset < h.tableEnd {
		return nil, fmt.Errorf("the data section cannot be %d bytes at byte %d", h.dataSize, h.dataOffset)
	}
	if dataEnd > size {
		return nil, truncated("the data section", dataEnd, size)
	}
	return h, nil
}

// readObjects reads the descriptor table that h describes and checks it. Slots
// says which descriptor is whose.
//
// The header's count of free descriptors need not be right: no signature covers
// it, and what ended while it added objects leaves an old one.
func (h *header) readObjects(r io.ReaderAt) (_ []Object, slots []int, err error) {
	h.table = make([]byte, h.tableSize) // no longer than the file
	if _, err := io.ReadFull(io.NewSectionReader(r, h.tableOffset, h.tableSize), h.table); err != nil {
		return nil, nil, fmt.Errorf("read the descriptor table: %w", err)
	}
	ids, objects := make(map[uint32]bool), make([]Object, 0, h.total)
	for i := range int(h.total) {
		d := h.table[i*descriptorSize:][:descriptorSize]
		if d[usedAt] == 0 {
			continue
		}
		o, err := h.parseDescriptor(d)
		if err != nil {
			return nil, nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
		if ids[o.ID] {
			return nil, nil, fmt.Errorf("descriptor %d: a second object has the id %d", i, o.ID)
		}
		ids[o.ID] = true
		objects, slots = append(objects, o), append(slots, i)
	}
	return objects, slots, checkOverlap(objects)
}

// parseDescriptor reads one descriptor in use.
func (h *header) parseDescriptor(d []byte) (Object, error) {
	le := binary.LittleEndian
	n := func(off int) int64 { return int64(le.Uint64(d[off:])) }
	o := Object{
		Type: Type(le.Uint32(d)), ID: le.Uint32(d[5:]),
		Group: le.Uint32(d[9:]) &^ groupMask, Link: le.Uint32(d[13:]) &^ groupMask,
		LinksGroup: le.Uint32(d[13:])&groupMask == groupMask,
		Offset:     n(17), Size: n(25), Created: n(41), Modified: n(49),
		Name: text(d[73:extraOffset]), raw: [descriptorSize]byte(d),
	}
	last, ok := end(o.Offset, o.Size)
	switch padded := n(33); {
	case d[usedAt] != 1:
		return o, fmt.Errorf("the flag in-use is %d, not 0 or 1", d[usedAt])
	case o.ID == 0:
		return o, errors.New("its id is 0")
	case !ok || o.Offset < h.tableEnd:
		return o, fmt.Errorf("%v cannot be %d bytes at byte %d", o, o.Size, o.Offset)
	case last > h.fileEnd:
		return o, truncated(o.String(), last, h.fileEnd)
	case padded < 0 || padded > h.fileEnd:
		return o, fmt.Errorf("%v cannot be %d bytes with padding", o, padded)
	}
	return o, nil
}

// checkOverlap fails when two objects share bytes: one could then be signed as
// this and read as that.
func checkOverlap(objects []Object) error {
	byOffset := slices.Clone(objects)
	slices.SortFunc(byOffset, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Size, b.Size))
	})
	for i := 1; i < len(byOffset); i++ {
		if a, b := byOffset[i-1], byOffset[i]; a.Offset+a.Size > b.Offset {
			return fmt.Errorf("%v and %v overlap", a, b)
		}
	}
	return nil
}

// end returns offset + size unless one is negative or the sum overflows.
func end(offset, size int64) (int64, bool) {
	sum := offset + size
	return sum, offset >= 0 && size >= 0 && sum >= 0
}

func truncated(what string, end, size int64) error {
	return hint.Wrap(fmt.Errorf("truncated: %s ends at byte %d, the file has %d", what, end, size),
		"copy or download the image again")
}

// text is a string padded with NULs.
func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }
