package sif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// usedAt is where a descriptor says whether it is in use, one byte.
const usedAt = 4

// Container is the reference library's view of a file, for image/trust.
type Container = sif.FileImage

// Container loads the image with the reference library, for reading. Objects
// for which keep is false are not in it. Its header and descriptors are those
// that Open has checked, whatever the file holds now. Reading ends with ctx.
func (i *Image) Container(ctx context.Context, keep func(Object) bool) (*Container, error) {
	table := bytes.Clone(i.h.table)
	for n, o := range i.objects {
		if !keep(o) {
			table[i.slots[n]*descriptorSize+usedAt] = 0
		}
	}
	return loadLibrary(&overlay{
		base: i.r, size: i.h.fileEnd, readOnly: true, ended: ctx.Err,
		extents: []extent{{0, i.h.raw[:]}, {i.h.tableOffset, table}},
	})
}

func loadLibrary(o *overlay) (*Container, error) {
	c, err := sif.LoadContainer(o, sif.OptLoadWithCloseOnUnload(false))
	if err != nil {
		return nil, fmt.Errorf("sif: %w", err)
	}
	return c, nil
}

// Add lets change add objects to the image in f, which must be open for reading
// and writing, and does so durably. Objects that are there stay where and as
// they are, so that whoever reads the file meanwhile is not disturbed.
//
// It is given up when ctx ends, as long as nothing is written.
//
// Whatever ends the process or the machine, the file is the old image or the
// new one. These are written one after the other, each flushed before the next:
// the new data, after the last object; descriptors that are not yet in use; the
// bytes that put them in use, in one write; the header, whose count of free
// descriptors and size of the data nobody relies on. Between the last two the
// image is the new one with an old count. An object that arrived is therefore
// whole. One write within a page of a file is never done in part when a process
// is killed, and within a sector never when a machine stops; seven descriptors
// fit into a page.
func Add(ctx context.Context, f *os.File, change func(*Container) error) error {
	if err := add(ctx, f, change); err != nil {
		return fmt.Errorf("sif: %w", err)
	}
	return nil
}

func add(ctx context.Context, f *os.File, change func(*Container) error) error {
	unlock, err := lock(f)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	img, err := load(f, st.Size())
	if err != nil {
		return err
	}
	written := &overlay{base: f, size: st.Size(), ended: ctx.Err, extents: []extent{{img.h.tableOffset, img.cleanTable()}}}
	c, err := loadLibrary(written)
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	img.recount(written)
	if _, err := load(written, written.end()); err != nil {
		return fmt.Errorf("what was added does not fit: %w", err)
	}
	u, err := img.plan(written)
	if err != nil {
		return err
	}
	return u.write(f)
}

// update is what is written, in this order.
type update struct {
	data        []extent
	descriptors []extent // those that get into use, not yet so
	inUse       extent   // from the first of the bytes that say so to the last
	header      extent
	before      int64 // size of the file
}

// plan sorts what was written into its order, and refuses whatever is not the
// addition of objects.
func (i *Image) plan(written *overlay) (*update, error) {
	u := &update{before: written.size}
	for _, e := range written.extents {
		switch {
		case e.off == 0 && len(e.data) == headerSize:
			u.header = e
		case e.off == i.h.tableOffset && len(e.data) == len(i.h.table):
		case e.off >= i.dataEnd():
			u.data = append(u.data, e)
		default:
			return nil, fmt.Errorf("%d bytes at byte %d are not an addition", len(e.data), e.off)
		}
	}
	table := written.at(i.h.tableOffset)
	if table == nil || u.header.data == nil {
		return nil, errors.New("nothing was added")
	}
	first, last := -1, -1
	for slot := 0; slot < len(table); slot += descriptorSize {
		before, now := i.h.table[slot:slot+descriptorSize], bytes.Clone(table[slot:slot+descriptorSize])
		switch {
		case before[usedAt] != 0 && !bytes.Equal(before, now):
			return nil, fmt.Errorf("descriptor %d is changed", slot/descriptorSize)
		case before[usedAt] != 0 || now[usedAt] == 0:
			continue
		}
		now[usedAt] = 0
		u.descriptors = append(u.descriptors, extent{i.h.tableOffset + int64(slot), now})
		if last = slot + usedAt; first < 0 {
			first = last
		}
	}
	if first < 0 {
		return nil, errors.New("nothing was added")
	}
	u.inUse = extent{i.h.tableOffset + int64(first), table[first : last+1]}
	return u, nil
}

// cleanTable returns the descriptor table without what is left in descriptors
// that are not in use, some of which the library would leave in new ones.
func (i *Image) cleanTable() []byte {
	table := bytes.Clone(i.h.table)
	for slot := 0; slot < len(table); slot += descriptorSize {
		if table[slot+usedAt] == 0 {
			clear(table[slot : slot+descriptorSize])
		}
	}
	return table
}

// recount corrects the count of free descriptors in a header that was written:
// the library goes on from the old one, which need not be right.
func (i *Image) recount(written *overlay) {
	header, table := written.at(0), written.at(i.h.tableOffset)
	if len(header) != headerSize {
		return
	}
	free := uint64(0)
	for slot := usedAt; slot < len(table); slot += descriptorSize {
		free += uint64(1 - min(table[slot], 1))
	}
	binary.LittleEndian.PutUint64(header[80:], free)
}

// dataEnd is the end of the last object.
func (i *Image) dataEnd() int64 {
	end := i.h.dataOffset
	for _, o := range i.objects {
		end = max(end, o.Offset+o.Size)
	}
	return end
}

// write does it. When it fails before anything is in use, the file gets its old
// size again.
func (u *update) write(f *os.File) error {
	err := writeAll(f, u.data...)
	if err == nil {
		err = writeAll(f, u.descriptors...)
	}
	if err != nil {
		return errors.Join(err, f.Truncate(u.before))
	}
	if err := writeAll(f, u.inUse); err != nil {
		return err
	}
	return writeAll(f, u.header)
}

// writeAll writes the extents and flushes the file.
func writeAll(f *os.File, extents ...extent) error {
	for _, e := range extents {
		if _, err := f.WriteAt(e.data, e.off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// lock keeps other processes from adding to the file. File systems without
// locks are used without.
func lock(f *os.File) (unlock func(), err error) {
	fd := int(f.Fd())
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, hint.New("another process changes the image", "try again when it has ended")
	case err != nil:
		return func() {}, nil
	}
	return func() { _ = syscall.Flock(fd, syscall.LOCK_UN) }, nil
}
