// Package overlay is a file whose writes are collected, for who wants to see all of
// a change before any of it is made.
//
// Input: a file, and what somebody who takes it for his own writes to it. Output: a
// file that reads as if that had been written, and the extents that were. It knows
// no format, and changes nothing but what is to be written directly.
package overlay

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Extent is a run of bytes at an offset of the file.
type Extent struct {
	Off  int64
	Data []byte
}

func (e Extent) end() int64 { return e.Off + int64(len(e.Data)) }

// File is a file whose writes stay in memory. Extents do not overlap. With Direct,
// which Base reads, what is behind From is written there at once: data may be larger
// than memory.
type File struct {
	Base     io.ReaderAt
	Size     int64 // of Base
	Direct   io.WriterAt
	From     int64
	Extents  []Extent
	ReadOnly bool
	Ended    func() error // why nothing is to be read or written any more, or nil

	wrote bool
	pos   int64
}

// Wrote says that something was written directly.
func (o *File) Wrote() bool { return o.wrote }

// ReadAt reads what was written, and the file elsewhere.
func (o *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("a negative offset")
	}
	n := int(max(min(int64(len(p)), o.End()-off), 0))
	if err := o.Ended(); err != nil {
		return 0, err
	}
	if inside := min(int64(n), o.Size-off); inside > 0 {
		if got, err := o.Base.ReadAt(p[:inside], off); int64(got) < inside {
			return got, err
		}
		clear(p[inside:n])
	} else {
		clear(p[:n])
	}
	for _, e := range o.Extents {
		if from, to := max(off, e.Off), min(off+int64(n), e.end()); from < to {
			copy(p[from-off:to-off], e.Data[from-e.Off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write keeps p for the current position. It changes an extent, continues one,
// or begins one; the library writes nothing that would join two.
func (o *File) Write(p []byte) (int, error) {
	if o.ReadOnly {
		return 0, errors.New("the image is open for reading only")
	}
	if err := o.Ended(); err != nil {
		return 0, err
	}
	last := o.pos + int64(len(p))
	if o.Direct != nil && o.pos >= o.From {
		o.wrote = true
		n, err := o.Direct.WriteAt(p, o.pos)
		o.pos += int64(n)
		o.Size = max(o.Size, o.pos)
		return n, err
	}
	i := slices.IndexFunc(o.Extents, func(e Extent) bool { return e.Off <= o.pos && o.pos <= e.end() })
	if i < 0 {
		i = len(o.Extents)
		o.Extents = append(o.Extents, Extent{Off: o.pos})
	}
	for j, e := range o.Extents {
		if j != i && o.pos < e.end() && e.Off < last {
			return 0, fmt.Errorf("%d bytes at byte %d cross what was written at byte %d", len(p), o.pos, e.Off)
		}
	}
	e := &o.Extents[i]
	if grow := last - e.end(); grow > 0 {
		e.Data = append(e.Data, make([]byte, grow)...)
	}
	copy(e.Data[o.pos-e.Off:], p)
	o.pos = last
	return len(p), nil
}

// Seek is io.Seeker's.
func (o *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.pos
	case io.SeekEnd:
		offset += o.End()
	}
	if offset < 0 {
		return 0, errors.New("a negative offset")
	}
	o.pos = offset
	return offset, nil
}

// Truncate fails: nothing that is added makes a file shorter.
func (o *File) Truncate(int64) error { return errors.New("an image is not cut") }

// End returns the size of the file.
func (o *File) End() int64 {
	end := o.Size
	for _, e := range o.Extents {
		end = max(end, e.end())
	}
	return end
}

// At returns the bytes that were written from off on, or nil.
func (o *File) At(off int64) []byte {
	for _, e := range o.Extents {
		if e.Off == off {
			return e.Data
		}
	}
	return nil
}
