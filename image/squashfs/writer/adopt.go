package writer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
	"github.com/sealift/sealift/image/squashfs/table"
)

const (
	// A run of at least shareable bytes comes to lie as far from the start of
	// a file system block as in the source, so that a file system that can lets
	// both files share it.
	shareable = 1 << 20
	fsBlock   = 4096
	// copyStep is how much of a run is copied before looking whether to go on.
	copyStep = 16 << 20
	// copyRoom is the size of reads where the kernel cannot copy.
	copyRoom = 1 << 20
)

// adoption is what is taken over from other images as it is stored there.
// Blocks that several files share there are one part, or parts that overlap.
type adoption struct {
	sources   map[*squashfs.Reader]int // numbered in the order of their first file
	fragments map[adoptedFragment]*format.Fragment
	parts     []part
}

type adoptedFragment struct {
	reader *squashfs.Reader
	index  uint32
}

// part is a file's blocks or a fragment block in another image.
type part struct {
	source     *squashfs.Reader
	number     int // of the source
	start, end uint64
	pos        *uint64 // where to note its position in this image
}

// run is parts that lie one behind the other, without a gap.
type run struct {
	source     meta.Source
	start, end uint64
	parts      []part
}

// canAdopt reports whether f's stored blocks mean the same in this image.
func (w *Writer) canAdopt(f *squashfs.File) (bool, error) {
	s := f.Reader().Super()
	if int(s.BlockSize) != w.options.BlockSize {
		return false, nil
	}
	if s.Compression == w.encoding.ID && !w.encoding.Store {
		return true, nil
	}
	for _, word := range f.Inode().Blocks {
		if word != 0 && word&format.BlockUncompressed == 0 {
			return false, nil
		}
	}
	if f.Inode().Fragment == format.NoFragment {
		return true, nil
	}
	entry, err := f.Reader().FragmentEntry(f.Inode().Fragment)
	return entry.Size&format.BlockUncompressed != 0, err
}

// adopt makes f's blocks, and with its tail the whole fragment block, parts of
// what copyAdopted copies. It returns nil for a file that cannot be adopted.
func (w *Writer) adopt(f *squashfs.File) (*table.File, error) {
	if ok, err := w.canAdopt(f); !ok || err != nil {
		return nil, err
	}
	r, ino := f.Reader(), f.Inode()
	s := w.newFile(f.Size())
	if len(ino.Blocks) > 0 {
		s.Data = &table.Data{Words: ino.Blocks, Sparse: min(ino.Sparse, ino.Size)}
		end := ino.Start
		for _, word := range ino.Blocks {
			end += uint64(word &^ format.BlockUncompressed)
		}
		if end > ino.Start {
			w.adoption.add(r, ino.Start, end, &s.Data.Start)
		}
	}
	if ino.Fragment != format.NoFragment {
		var err error
		if s.Fragment, err = w.adoption.fragment(r, ino.Fragment); err != nil {
			return nil, err
		}
		s.FragOff = ino.FragOff
	}
	return s, nil
}

func (a *adoption) fragment(r *squashfs.Reader, index uint32) (*format.Fragment, error) {
	key := adoptedFragment{r, index}
	if f := a.fragments[key]; f != nil {
		return f, nil
	}
	entry, err := r.FragmentEntry(index)
	if err != nil {
		return nil, err
	}
	f := &entry
	if a.fragments == nil {
		a.fragments = map[adoptedFragment]*format.Fragment{}
	}
	a.fragments[key] = f
	a.add(r, entry.Start, entry.Start+uint64(entry.Size&^format.BlockUncompressed), &f.Start)
	return f, nil
}

func (a *adoption) add(r *squashfs.Reader, start, end uint64, pos *uint64) {
	number, known := a.sources[r]
	if !known {
		if a.sources == nil {
			a.sources = map[*squashfs.Reader]int{}
		}
		number = len(a.sources)
		a.sources[r] = number
	}
	a.parts = append(a.parts, part{r, number, start, end, pos})
}

// copyAdopted submits the parts that were added, in the order in which they
// lie in their images: so those are read from front to back, in few long runs,
// and files stay as near to each other as they were.
func (w *Writer) copyAdopted() {
	parts := w.adoption.parts
	w.adoption.parts = nil
	slices.SortStableFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.start, b.start))
	})
	for len(parts) > 0 {
		r := firstRun(parts)
		parts = parts[len(r.parts):]
		j := acquire(w.pipe.free, extent, 0)
		j.run = r
		w.pipe.submit(j)
	}
}

// firstRun returns the run that sorted parts begin with.
func firstRun(parts []part) run {
	n, end := 1, parts[0].end
	for n < len(parts) && parts[n].number == parts[0].number && parts[n].start <= end {
		end = max(end, parts[n].end)
		n++
	}
	return run{parts[0].source.Source(), parts[0].start, end, parts[:n]}
}

// copyRun writes a run and notes where its parts come to lie.
func (p *pipeline) copyRun(r run) error {
	if r.end-r.start >= shareable {
		if _, err := p.Write(make([]byte, (r.start-p.pos)%fsBlock)); err != nil {
			return err
		}
	}
	for _, part := range r.parts {
		*part.pos = p.pos + part.start - r.start
	}
	for at := r.start; at < r.end; {
		if err := p.failure(); err != nil {
			return err
		}
		step := copyLength(at, r.end)
		if err := p.copyPart(r.source, at, step); err != nil {
			return err
		}
		at += step
	}
	return nil
}

// copyLength is how much to copy at once of what reaches from at to end. Only
// whole file system blocks can be shared, so what is before the first and what
// is after the last go apart.
func copyLength(at, end uint64) uint64 {
	if head := -at % fsBlock; head > 0 {
		return min(head, end-at)
	}
	return min(cmp.Or((end-at)&^(fsBlock-1), end-at), copyStep)
}

// copyPart writes n bytes at off of src.
func (p *pipeline) copyPart(src meta.Source, off, n uint64) error {
	done := src.Splice(p.out, off, n)
	p.pos += done
	for done < n {
		if p.copying == nil {
			p.copying = make([]byte, copyRoom)
		}
		b := p.copying[:min(n-done, copyRoom)]
		if err := src.ReadFull(b, off+done); err != nil {
			return fmt.Errorf("copy blocks from another image: %w", err)
		}
		if _, err := p.Write(b); err != nil {
			return err
		}
		done += uint64(len(b))
	}
	return nil
}
