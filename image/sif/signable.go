package sif

import (
	"encoding/binary"
	"slices"
)

// What a signature says of an image is in hashes of these bytes (the reference
// library's package integrity), and of the bytes of objects. Both return them as
// they were when the image was opened: the file may have others by now.

// SignableHeader returns the part of the header that signatures cover: the launch line,
// the magic, the version and the UUID.
func (i *Image) SignableHeader() []byte {
	return slices.Concat(i.h.raw[:45], i.h.raw[48:64])
}

// SignableDescriptor returns the part of an object's descriptor that signatures cover: its type, size,
// link, creation time, owner, name and what its type has of its own. Its id counts from first, the
// least of its group.
func (o Object) SignableDescriptor(first uint32) []byte {
	b := slices.Clone(o.raw[:5])
	b = binary.LittleEndian.AppendUint32(b, o.ID-first)
	return slices.Concat(b, o.raw[13:17], o.raw[25:33], o.raw[41:49], o.raw[57:])
}

// Group returns the objects of a group and the least of their ids.
func (i *Image) Group(group uint32) (objects []Object, first uint32) {
	for _, o := range i.objects {
		if o.Group != group || group == 0 {
			continue
		}
		if objects = append(objects, o); first == 0 || o.ID < first {
			first = o.ID
		}
	}
	return objects, first
}
