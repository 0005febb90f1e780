package sandbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sparse reads a file with holes (tree.Sparse).
type sparse struct {
	*os.File
	size, pos int64
	data      int64 // there is no hole between pos and here
}

// isSparse tells whether a file takes less room than it has bytes.
func isSparse(st *unix.Stat_t) bool { return st.Blocks < st.Size/512 }

// Read reads what comes next, holes as zeros.
func (f *sparse) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.pos += int64(n)
	return n, err
}

// Hole returns how many bytes of a hole come next.
func (f *sparse) Hole() (int64, error) {
	if f.pos < f.data || f.pos >= f.size {
		return 0, nil
	}
	next, err := f.seek(f.pos, unix.SEEK_DATA)
	if err == nil && next == f.pos {
		f.data, err = f.seek(f.pos, unix.SEEK_HOLE)
	}
	if _, back := f.seek(f.pos, unix.SEEK_SET); err != nil || back != nil {
		return 0, errors.Join(err, back)
	}
	return next - f.pos, nil
}

// Skip passes over n bytes.
func (f *sparse) Skip(n int64) error {
	_, err := f.seek(f.pos+n, unix.SEEK_SET)
	f.pos += n
	return err
}

// seek returns the end of the file where there is no more data, and treats a
// file system that knows of no holes as one that has none.
func (f *sparse) seek(off int64, whence int) (int64, error) {
	pos, err := unix.Seek(int(f.Fd()), off, whence)
	switch {
	case err == unix.ENXIO:
		return f.size, nil
	case err == unix.EINVAL && whence == unix.SEEK_DATA:
		return off, nil
	case err == unix.EINVAL && whence == unix.SEEK_HOLE:
		return f.size, nil
	}
	return pos, fail("seek", f.Name(), err)
}
