package writer

import (
	"slices"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/table"
)

// sequencer decides, in the order of submission, what becomes of contents that
// the workers have hashed: which are there already, and where in which
// fragment block the small ones lie. So the image does not depend on who
// hashed what when, and no one but the pipeline waits for a hash.
type sequencer struct {
	p         *pipeline
	blockSize int
	bySum     map[hash]*table.File   // files shorter than a block by their hash
	bySize    map[int64][]*blockFile // longer ones that may be recognised
	open      *job                   // the fragment block being filled, or nil
}

func newSequencer(p *pipeline, blockSize int) *sequencer {
	return &sequencer{p: p, blockSize: blockSize, bySum: map[hash]*table.File{}, bySize: map[int64][]*blockFile{}}
}

func (s *sequencer) run() {
	for j := range s.p.in {
		if j.hashing {
			<-j.hashed
		}
		switch {
		case s.p.failure() == nil:
			s.place(j)
		case j.compressing || j.done != nil:
			s.p.order <- j // someone else still looks at it
		default:
			j.release()
		}
	}
	if s.p.failure() == nil {
		s.flush()
	}
	close(s.p.order)
	close(s.p.work)
}

func (s *sequencer) place(j *job) {
	switch {
	case j.kind == batch:
		s.placeSmall(j)
	case j.file != nil:
		s.placeBlocks(j)
	default:
		if j.kind == flush {
			s.flush()
		}
		s.p.order <- j
	}
}

// placeSmall puts the files of a batch that are new into fragment blocks.
func (s *sequencer) placeSmall(j *job) {
	rest := j.raw
	for _, in := range j.small {
		b := rest[:in.file.Length]
		rest = rest[len(b):]
		if twin := s.bySum[in.sum]; twin != nil {
			in.file.Fragment, in.file.FragOff = twin.Fragment, twin.FragOff
			continue
		}
		s.bySum[in.sum] = in.file
		s.append(in.file, b)
	}
	j.release()
}

// append puts a file into the open fragment block, or a new one where that has
// no room for it.
func (s *sequencer) append(f *table.File, b []byte) {
	if s.open != nil && len(s.open.raw)+len(b) > s.blockSize {
		s.flush()
	}
	if s.open == nil {
		s.open = acquire(s.p.spare, fragment, s.blockSize)
		s.open.raw, s.open.frag = s.open.buf[:0], &format.Fragment{}
	}
	f.Fragment, f.FragOff = s.open.frag, uint32(len(s.open.raw))
	s.open.raw = append(s.open.raw, b...)
}

func (s *sequencer) flush() {
	if s.open != nil {
		s.compress(s.open)
		s.open = nil
	}
}

// compress has a job compressed and written that nothing has to be decided of
// any more.
func (s *sequencer) compress(j *job) {
	j.hashing, j.compressing = false, true
	s.p.work <- j
	s.p.order <- j
}

// placeBlocks passes on a file's next blocks. As long as they equal those of
// an earlier file they are held back instead.
func (s *sequencer) placeBlocks(j *job) {
	f, last := j.file, j.last
	at := f.count
	f.extend(j)
	if at == 0 && f.suspect {
		f.twins = slices.Clone(s.bySize[f.Length])
	}
	f.twins = slices.DeleteFunc(f.twins, func(t *blockFile) bool { return !f.equals(t, at) })
	if len(f.twins) > 0 {
		f.held = append(f.held, hold(j))
	} else {
		s.letGo(f)
		s.forward(j)
	}
	if last {
		s.end(f)
	}
}

// forward sends a block on, which a worker compresses already or is yet to, or
// holes.
func (s *sequencer) forward(j *job) {
	if j.kind == data && !j.compressing {
		s.compress(j)
	} else {
		s.p.order <- j
	}
}

// letGo sends what was held back of f on.
func (s *sequencer) letGo(f *blockFile) {
	for _, h := range f.held {
		j := acquire(s.p.spare, data, 0)
		j.file, j.raw = f, h.raw
		if h.raw == nil {
			j.kind, j.size = holes, h.holes
		}
		s.forward(j)
	}
	f.held = nil
}

// end makes f the twin it turned out to be of, or one that later files may be
// twins of.
func (s *sequencer) end(f *blockFile) {
	if len(f.twins) > 0 {
		f.Data = f.twins[0].Data
	} else if f.comparable {
		s.bySize[f.Length] = append(s.bySize[f.Length], f)
	}
	f.twins, f.held = nil, nil
}
