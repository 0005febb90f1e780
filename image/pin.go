package image

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// maxPinned is how many bytes of objects are pinned.
const maxPinned = 16 << 20

// pins reads a SIF file, of which parts are kept in memory: so they cannot become others
// between who verifies them and who uses them, whoever writes to the file.
type pins struct {
	f     io.ReaderAt
	parts []pinned // in the order of the file; they do not overlap
	// sealed is that the rest of the file is not to be read, but for these.
	sealed bool
	rest   []span
}

// span is a part of a file, and pinned what it was.
type (
	span   struct{ offset, size int64 }
	pinned struct {
		offset int64
		data   []byte
	}
)

// pin opens a SIF file of size bytes, with its header and its descriptors pinned, and
// all objects that Sealift uses or verifies others by, the small ones first, as far as room,
// in bytes, goes.
func pin(f io.ReaderAt, size, room int64) (*sif.Image, *pins, error) {
	p := &pins{f: f}
	if err := p.add(span{0, min(size, sif.HeaderSize)}); err != nil {
		return nil, nil, err
	}
	img, err := sif.Open(p, size)
	if err != nil {
		return nil, nil, err
	}
	h := img.Header()
	if err := p.add(span{h.TableOffset, h.TableSize}); err != nil {
		return nil, nil, err
	}
	// The descriptors may be others by now: those that are pinned count.
	if img, err = sif.Open(p, size); err != nil {
		return nil, nil, err
	}
	var small []span
	for _, o := range img.Objects() {
		if used(o) {
			small = append(small, span{o.Offset, o.Size})
		}
	}
	slices.SortStableFunc(small, func(a, b span) int { return cmp.Compare(a.size, b.size) })
	n := 0
	for n < len(small) && small[n].size <= room {
		room -= small[n].size
		n++
	}
	return img, p, p.add(small[:n]...)
}

// used says whether an object is one that is used, or that says what others are.
func used(o sif.Object) bool {
	switch o.Type {
	case sif.JSON, sif.Deffile, sif.Labels, sif.Message, sif.Signature:
		return true
	}
	return o.Name == merkle.RootName && o.Size == merkle.RootSize
}

// add pins parts.
func (p *pins) add(parts ...span) error {
	for _, s := range parts {
		if s.size == 0 {
			continue
		}
		data := make([]byte, s.size)
		if _, err := io.ReadFull(io.NewSectionReader(p.f, s.offset, s.size), data); err != nil {
			return fmt.Errorf("read %d bytes at %d: %w", s.size, s.offset, err)
		}
		p.parts = append(p.parts, pinned{s.offset, data})
	}
	slices.SortFunc(p.parts, func(a, b pinned) int { return cmp.Compare(a.offset, b.offset) })
	return nil
}

// settle ends the decision about an image. If it is held, nothing else is read from now
// on than what is pinned and what the tree is for; otherwise nothing is kept.
func (p *pins) settle(img *sif.Image, held bool) {
	if !held {
		p.parts = nil
		return
	}
	p.sealed = true
	primary, _ := img.PrimaryObject()
	for _, o := range img.Objects() {
		if o.ID == primary.ID || o.Name == merkle.TreeName && o.Type == sif.Generic {
			p.rest = append(p.rest, span{o.Offset, o.Size})
		}
	}
}

// ReadAt is io.ReaderAt's.
func (p *pins) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = p.readPart(b[n:], off+int64(n))
		n += m
	}
	return n, err
}

// readPart reads as far as the next part begins or this one ends.
func (p *pins) readPart(b []byte, off int64) (int, error) {
	n, b := p.copyPart(b, off)
	if n > 0 {
		return n, nil
	}
	within := func(s span) bool { return s.offset <= off && off+int64(len(b)) <= s.offset+s.size }
	if p.sealed && !slices.ContainsFunc(p.rest, within) {
		return 0, fmt.Errorf("what is at byte %d is not kept of an image that rules hold: its objects are too large",
			off)
	}
	return p.f.ReadAt(b, off)
}

// copyPart copies what is pinned at an offset, and returns how much; or, if nothing is,
// as much of b as there is room for before the next part.
func (p *pins) copyPart(b []byte, off int64) (int, []byte) {
	i := sort.Search(len(p.parts), func(i int) bool {
		return p.parts[i].offset+int64(len(p.parts[i].data)) > off
	})
	if i == len(p.parts) {
		return 0, b
	}
	at := p.parts[i].offset
	if at <= off {
		return copy(b, p.parts[i].data[off-at:]), b
	}
	return 0, b[:min(int64(len(b)), at-off)]
}

// view reads the file of an image that is held as the image is read.
type view struct {
	pins         *pins
	part         io.ReaderAt // the partition
	offset, size int64       // of that
}

// ReadAt is io.ReaderAt's.
func (v *view) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = v.readPart(b[n:], off+int64(n))
		n += m
	}
	return n, err
}

func (v *view) readPart(b []byte, off int64) (int, error) {
	switch rest := v.offset + v.size - off; {
	case off < v.offset:
		b = b[:min(int64(len(b)), v.offset-off)]
	case rest > 0:
		return v.part.ReadAt(b[:min(int64(len(b)), rest)], off-v.offset)
	}
	n, b := v.pins.copyPart(b, off)
	if n > 0 {
		return n, nil
	}
	return v.pins.f.ReadAt(b, off)
}
