package sif

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// extent is a run of bytes at an offset of the file.
type extent struct {
	off  int64
	data []byte
}

func (e extent) end() int64 { return e.off + int64(len(e.data)) }

// overlay is a file whose writes stay in memory: what the library is given in
// the place of the file. Extents do not overlap.
type overlay struct {
	base     io.ReaderAt
	size     int64 // of base
	extents  []extent
	pos      int64
	readOnly bool
	ended    func() error // why nothing is to be read any more, or nil
}

// ReadAt reads what was written, and the file elsewhere.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("a negative offset")
	}
	n := int(max(min(int64(len(p)), o.end()-off), 0))
	if err := o.ended(); err != nil {
		return 0, err
	}
	if inside := min(int64(n), o.size-off); inside > 0 {
		if got, err := o.base.ReadAt(p[:inside], off); int64(got) < inside {
			return got, err
		}
		clear(p[inside:n])
	} else {
		clear(p[:n])
	}
	for _, e := range o.extents {
		if from, to := max(off, e.off), min(off+int64(n), e.end()); from < to {
			copy(p[from-off:to-off], e.data[from-e.off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write keeps p for the current position. It changes an extent, continues one,
// or begins one; the library writes nothing that would join two.
func (o *overlay) Write(p []byte) (int, error) {
	if o.readOnly {
		return 0, errors.New("the image is open for reading only")
	}
	last := o.pos + int64(len(p))
	i := slices.IndexFunc(o.extents, func(e extent) bool { return e.off <= o.pos && o.pos <= e.end() })
	if i < 0 {
		i = len(o.extents)
		o.extents = append(o.extents, extent{off: o.pos})
	}
	for j, e := range o.extents {
		if j != i && o.pos < e.end() && e.off < last {
			return 0, fmt.Errorf("%d bytes at byte %d cross what was written at byte %d", len(p), o.pos, e.off)
		}
	}
	e := &o.extents[i]
	if grow := last - e.end(); grow > 0 {
		e.data = append(e.data, make([]byte, grow)...)
	}
	copy(e.data[o.pos-e.off:], p)
	o.pos = last
	return len(p), nil
}

// Seek is io.Seeker's.
func (o *overlay) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.pos
	case io.SeekEnd:
		offset += o.end()
	}
	if offset < 0 {
		return 0, errors.New("a negative offset")
	}
	o.pos = offset
	return offset, nil
}

// Truncate fails: nothing that is added makes a file shorter.
func (o *overlay) Truncate(int64) error { return errors.New("an image is not cut") }

func (o *overlay) end() int64 {
	end := o.size
	for _, e := range o.extents {
		end = max(end, e.end())
	}
	return end
}

// at returns the bytes that were written from off on, or nil.
func (o *overlay) at(off int64) []byte {
	for _, e := range o.extents {
		if e.off == off {
			return e.data
		}
	}
	return nil
}
