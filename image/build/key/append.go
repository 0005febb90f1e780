package key

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
)

// Append appends the digest of a file that is not empty to it, so that who wants
// it later need not read the file for that.
func Append(f *os.File) error {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, st.Size())); err != nil {
		return err
	}
	_, err = f.WriteAt(h.Sum(nil), st.Size())
	return err
}

// Appended returns what Append appended to a file that now has size bytes, zeros
// for an empty one.
func Appended(r io.ReaderAt, size int64) (d Digest, err error) {
	if size > 0 {
		_, err = r.ReadAt(d[:], size-int64(len(d)))
	}
	if errors.Is(err, io.EOF) {
		err = nil // that it is the end
	}
	return d, err
}
