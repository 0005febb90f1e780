package writer

import "github.com/sealift/sealift/image/squashfs/table"

// maxHeld bounds the bytes of one file that are held back while they equal an
// earlier file's. A longer file that differs only after that could not be
// recalled from the output, so such files are not compared.
const maxHeld = 64 << 20

// newFile returns a file's content in the image. The sequencer says which
// blocks or fragment it has, the writing goroutine where those lie; everyone
// else may look only when the pipeline is through with it.
func (w *Writer) newFile(size int64) *table.File {
	return &table.File{Length: size, Mark: w.pipe.hashing.mark}
}

func addBlock(d *table.Data, word uint32, size int, pos uint64) {
	d.Words = append(d.Words, word)
	if word == 0 {
		d.Sparse += uint64(size)
	} else if d.Start == 0 {
		d.Start = pos
	}
}

// addHoles adds holes of size bytes, in blocks of which the last may be
// shorter.
func addHoles(d *table.Data, size int64, blockSize int) {
	d.Words = append(d.Words, make([]uint32, blockCount(size, blockSize))...)
	d.Sparse += uint64(size)
}

// blockCount is how many blocks size bytes take.
func blockCount(size int64, blockSize int) int {
	return int((size + int64(blockSize) - 1) / int64(blockSize))
}

// smallFile is one of a batch.
type smallFile struct {
	file *table.File
	sum  hash
}

// blockFile is a file of at least one block on its way into the image.
type blockFile struct {
	*table.File
	blockSize int
	// comparable files are short enough to be held back. A suspect is one that
	// has the size of an earlier one.
	comparable, suspect bool

	count int    // blocks the sequencer has seen
	sums  []hash // theirs, if comparable; zero of a hole
	twins []*blockFile
	held  []held
}

// held is a block that is held back, or holes where raw is nil.
type held struct {
	raw   []byte
	holes int64
}

// hold takes a job's bytes from it.
func hold(j *job) held {
	h := held{raw: j.raw, holes: j.size}
	if j.kind == data {
		j.buf = nil
	}
	j.release()
	return h
}

// extend notes the blocks of a job.
func (f *blockFile) extend(j *job) {
	n := 1
	if j.kind == holes {
		n = blockCount(j.size, f.blockSize)
	}
	f.count += n
	if f.comparable {
		f.sums = append(f.sums, make([]hash, n)...)
		copy(f.sums[f.count-n:], []hash{j.hash})
	}
}

// equals tells whether f's blocks from the one numbered at on are t's.
func (f *blockFile) equals(t *blockFile, at int) bool {
	for i := at; i < f.count; i++ {
		if f.sums[i] != t.sums[i] {
			return false
		}
	}
	return true
}
