package sif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/sealift/sealift/image/sif/overlay"
)

// Modes of fallocate(2).
const (
	keepSize  = 0x1
	punchHole = 0x2
)

// Delete removes an object from the image in f, which must be open for reading
// and writing, durably. Allow, unless nil, is asked about the image first, when
// nobody else can change it any more.
//
// Whatever ends the process or the machine, the object is there whole or not at
// all: the byte that puts its descriptor out of use is written first, and flushed.
// After that nobody reads what is left of it: the rest of the descriptor, the
// header's count, and the data, which are removed in this order. An error then
// says that the object is gone, and what is not.
func Delete(f *os.File, id uint32, at time.Time, allow func(*Image) error) error {
	if err := del(changed{f, false}, id, at, allow); err != nil {
		return fmt.Errorf("sif: %w", err)
	}
	return nil
}

func del(f changed, id uint32, at time.Time, allow func(*Image) error) error {
	img, unlock, err := f.load(allow)
	if err != nil {
		return err
	}
	defer unlock()
	o, err := img.Lookup(id)
	if err != nil {
		return err
	}
	slot := img.h.tableOffset + int64(img.slot(id))*descriptorSize
	if err := f.write(overlay.Extent{Off: slot + usedAt, Data: []byte{0}}); err != nil {
		return err
	}
	end := img.without(id).dataEnd()
	err = f.write(overlay.Extent{Off: slot, Data: make([]byte, descriptorSize)})
	if err == nil {
		err = f.write(overlay.Extent{Off: 0, Data: img.headerWithout(o, end, at)})
	}
	if err == nil {
		err = erase(f, o, end)
	}
	if err != nil {
		return fmt.Errorf("%v is deleted, but its bytes may still be in the file: %w", o, err)
	}
	return nil
}

// slot returns the place of an object's descriptor in the table.
func (i *Image) slot(id uint32) int {
	for n, o := range i.objects {
		if o.ID == id {
			return i.slots[n]
		}
	}
	return -1
}

// without returns the image without an object.
func (i *Image) without(id uint32) *Image {
	rest := &Image{r: i.r, h: i.h}
	for n, o := range i.objects {
		if o.ID != id {
			rest.objects, rest.slots = append(rest.objects, o), append(rest.slots, i.slots[n])
		}
	}
	return rest
}

// headerWithout returns the header of the image without an object, whose data
// then ends at end.
func (i *Image) headerWithout(o Object, end int64, at time.Time) []byte {
	b := append([]byte{}, i.h.raw[:]...)
	if p, ok := o.Partition(); ok && p.isPrimary() {
		copy(b[archAt:], "00\x00")
	}
	le := binary.LittleEndian
	le.PutUint64(b[modifiedAt:], uint64(at.Unix()))
	le.PutUint64(b[freeAt:], uint64(i.Free()+1))
	le.PutUint64(b[dataSizeAt:], uint64(end-i.h.dataOffset))
	return b
}

// erase removes the bytes of an object: it cuts the file behind the last one that
// remains, or makes a hole, or writes zeros where there are no holes.
func erase(f changed, o Object, end int64) error {
	if o.Size == 0 {
		return nil
	}
	if end <= o.Offset {
		return errors.Join(f.Truncate(end), f.flush())
	}
	if syscall.Fallocate(int(f.Fd()), punchHole|keepSize, o.Offset, o.Size) == nil {
		return f.flush()
	}
	zeros := make([]byte, 1<<20)
	for off := o.Offset; off < o.Offset+o.Size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), o.Offset+o.Size-off)], off); err != nil {
			return err
		}
	}
	return f.flush()
}
