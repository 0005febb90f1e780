package sif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif/overlay"
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
	return loadLibrary(&overlay.File{
		Base: i.r, Size: i.h.fileEnd, ReadOnly: true, Ended: ctx.Err,
		Extents: []overlay.Extent{{Off: 0, Data: i.h.raw[:]}, {Off: i.h.tableOffset, Data: table}},
	})
}

func loadLibrary(o *overlay.File) (*Container, error) {
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
// It is given up when ctx ends, as long as nothing is in use.
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
	return add(ctx, changed{f, false}, nil, change)
}

// AddUnpublished is Add for a file that nobody else knows yet, whose lock and
// durability are the caller's.
func AddUnpublished(ctx context.Context, f *os.File, change func(*Container) error) error {
	return add(ctx, changed{f, true}, nil, change)
}

// AddObjects is Add for objects. Allow is asked about the image first, when
// nobody else can change it any more.
func AddObjects(ctx context.Context, f *os.File, at time.Time, allow func(*Image) error, objects ...NewObject) error {
	return add(ctx, changed{f, false}, room(len(objects), allow), adding(at, objects))
}

// Extend is AddObjects for a file as AddUnpublished takes it.
func Extend(ctx context.Context, f *os.File, at time.Time, objects ...NewObject) error {
	return add(ctx, changed{f, true}, room(len(objects), nil), adding(at, objects))
}

// room refuses n objects where there is no room for them, and then asks allow.
func room(n int, allow func(*Image) error) func(*Image) error {
	return func(img *Image) error {
		if free := img.Free(); free < n {
			return hint.New(fmt.Sprintf("its table has room for %d more objects; %d are to be added", free, n), "build the image again")
		}
		if allow == nil {
			return nil
		}
		return allow(img)
	}
}

// adding adds objects.
func adding(at time.Time, objects []NewObject) func(*Container) error {
	return func(c *Container) error {
		for _, o := range objects {
			in, err := o.input()
			if err == nil {
				err = c.AddObject(in, sif.OptAddWithTime(at))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// changed is a file that is changed. A private one is neither locked nor flushed.
type changed struct {
	*os.File
	private bool
}

// write writes the extents and flushes the file.
func (f changed) write(extents ...overlay.Extent) error {
	for _, e := range extents {
		if _, err := f.WriteAt(e.Data, e.Off); err != nil {
			return err
		}
	}
	return f.flush()
}

func (f changed) flush() error {
	if f.private {
		return nil
	}
	return f.Sync()
}

// load opens the image for a change that nobody else makes meanwhile. Allow may be
// nil.
func (f changed) load(allow func(*Image) error) (img *Image, unlock func(), err error) {
	unlock = func() {}
	if !f.private {
		if unlock, err = Lock(f.File); err != nil {
			return nil, nil, err
		}
	}
	st, err := f.Stat()
	if err == nil {
		img, err = load(f, st.Size())
	}
	if err == nil && allow != nil {
		err = allow(img)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return img, unlock, nil
}

// add is Add; allow may be nil.
func add(ctx context.Context, f changed, allow func(*Image) error, change func(*Container) error) error {
	img, unlock, err := f.load(allow)
	if err != nil {
		return fmt.Errorf("sif: %w", err)
	}
	defer unlock()
	before := img.h.fileEnd
	written := &overlay.File{
		Base: f, Size: before, Direct: f, From: img.dataEnd(), Ended: ctx.Err,
		Extents: []overlay.Extent{{Off: img.h.tableOffset, Data: img.cleanTable()}},
	}
	u, err := img.prepare(written, change)
	if err == nil {
		err = f.flush()
	}
	if err == nil {
		err = f.write(u.descriptors...)
	}
	if err != nil {
		if written.Wrote() {
			err = errors.Join(err, f.Truncate(before))
		}
		return fmt.Errorf("sif: %w", err)
	}
	if err := f.write(u.inUse); err != nil {
		return fmt.Errorf("sif: %w", err)
	}
	if err := f.write(u.header); err != nil {
		return fmt.Errorf("sif: the objects are added, but the header is not up to date: %w", err)
	}
	return nil
}

// prepare writes the new data, behind the last object, and plans the rest.
func (i *Image) prepare(written *overlay.File, change func(*Container) error) (*update, error) {
	c, err := loadLibrary(written)
	if err != nil {
		return nil, err
	}
	if err := change(c); err != nil {
		return nil, err
	}
	i.recount(written)
	if _, err := load(written, written.End()); err != nil {
		return nil, fmt.Errorf("what was added does not fit: %w", err)
	}
	return i.plan(written)
}

// update is what is written, in this order.
type update struct {
	descriptors []overlay.Extent // those that get into use, not yet so
	inUse       overlay.Extent   // from the first of the bytes that say so to the last
	header      overlay.Extent
}

// plan sorts what was written into its order, and refuses whatever is not the
// addition of objects.
func (i *Image) plan(written *overlay.File) (*update, error) {
	u := &update{}
	for _, e := range written.Extents {
		switch {
		case e.Off == 0 && len(e.Data) == HeaderSize:
			u.header = e
		case e.Off == i.h.tableOffset && len(e.Data) == len(i.h.table):
		default:
			return nil, fmt.Errorf("%d bytes at byte %d are not an addition", len(e.Data), e.Off)
		}
	}
	table := written.At(i.h.tableOffset)
	if table == nil || u.header.Data == nil {
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
		u.descriptors = append(u.descriptors, overlay.Extent{Off: i.h.tableOffset + int64(slot), Data: now})
		if last = slot + usedAt; first < 0 {
			first = last
		}
	}
	if first < 0 {
		return nil, errors.New("nothing was added")
	}
	u.inUse = overlay.Extent{Off: i.h.tableOffset + int64(first), Data: table[first : last+1]}
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
func (i *Image) recount(written *overlay.File) {
	header, table := written.At(0), written.At(i.h.tableOffset)
	if len(header) != HeaderSize {
		return
	}
	free := uint64(0)
	for slot := usedAt; slot < len(table); slot += descriptorSize {
		free += uint64(1 - min(table[slot], 1))
	}
	binary.LittleEndian.PutUint64(header[freeAt:], free)
}

// dataEnd is the end of the last object.
func (i *Image) dataEnd() int64 {
	end := i.h.dataOffset
	for _, o := range i.objects {
		end = max(end, o.Offset+o.Size)
	}
	return end
}
