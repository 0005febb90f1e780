package writer

import (
	"fmt"
	"slices"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

// adoption remembers what was taken over from other images, so that files
// sharing blocks there share them here.
type adoption struct {
	files     map[adoptedFile][]*stored
	fragments map[adoptedFragment]*fragmentBlock
}

// adoptedFile is where a file's content is in another image. Files of equal
// keys are the same when their blocks have equal lengths too.
type adoptedFile struct {
	reader            *squashfs.Reader
	start, size       uint64
	fragment, fragOff uint32
}

type adoptedFragment struct {
	reader *squashfs.Reader
	index  uint32
}

// canAdopt reports whether f's stored blocks mean the same in this image.
func (w *Writer) canAdopt(f *squashfs.File) bool {
	s := f.Reader().Super()
	return s.Compression == w.encoding.ID && !w.encoding.Store && int(s.BlockSize) == w.options.BlockSize
}

// adopt copies f's blocks as they are stored, without decompressing them, and
// with its tail the whole fragment block, once.
func (w *Writer) adopt(f *squashfs.File) (*stored, error) {
	r, ino := f.Reader(), f.Inode()
	key := adoptedFile{r, ino.Start, ino.Size, ino.Fragment, ino.FragOff}
	for _, twin := range w.adoption.files[key] {
		if slices.Equal(twin.blocks, ino.Blocks) {
			return twin, nil
		}
	}
	s := &stored{owner: w, size: f.Size(), blocks: ino.Blocks, sparse: min(ino.Sparse, ino.Size)}
	for pos, word := range r.Stored(ino) {
		if word&^format.BlockUncompressed == 0 {
			continue
		}
		err := w.copyBlock(r, format.Fragment{Start: pos, Size: word}, func(_ *job, pos uint64) {
			if s.start == 0 {
				s.start = pos
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if ino.Fragment != format.NoFragment {
		var err error
		if s.frag, err = w.adoptFragment(r, ino.Fragment); err != nil {
			return nil, err
		}
		s.fragOff = ino.FragOff
	}
	w.adoption.files[key] = append(w.adoption.files[key], s)
	return s, nil
}

func (w *Writer) adoptFragment(r *squashfs.Reader, index uint32) (*fragmentBlock, error) {
	key := adoptedFragment{r, index}
	if f := w.adoption.fragments[key]; f != nil {
		return f, nil
	}
	entry, err := r.FragmentEntry(index)
	if err != nil {
		return nil, err
	}
	f := &fragmentBlock{entry: entry}
	err = w.copyBlock(r, entry, func(_ *job, pos uint64) { f.entry.Start = pos })
	if err != nil {
		return nil, err
	}
	w.adoption.fragments[key] = f
	return f, nil
}

// copyBlock copies a block as it is stored in r.
func (w *Writer) copyBlock(r *squashfs.Reader, at format.Fragment, stored func(*job, uint64)) error {
	if err := w.pipe.failure(); err != nil {
		return err
	}
	b, err := r.RawBlock(at.Start, at.Size)
	if err != nil {
		return fmt.Errorf("copy a block from another image: %w", err)
	}
	w.pipe.submit(w.pipe.acquire(0), verbatim, b, stored)
	return nil
}
