package image

import (
	"errors"
	"io"
	"os"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Judge asks whoever decides about images about the one at path, which is not opened
// otherwise: it may be encrypted, or one that only other programs can use. A nil
// Hold has nothing against it.
func Judge(path string, hold Hold) error {
	if hold == nil {
		return nil
	}
	f, st, err := openPath(path)
	if err != nil {
		return err
	}
	var img *sif.Image
	head := make([]byte, min(st.Size(), sniffSize))
	if !st.IsDir() {
		if _, err = io.ReadFull(io.NewSectionReader(f, 0, st.Size()), head); err == nil && has(head, sif.MagicOffset, sif.Magic) {
			img, _, err = pin(f, st.Size(), maxPinned)
		}
	}
	if err == nil {
		_, err = hold(f, img)
	}
	return errors.Join(err, f.Close())
}

// Always returns a Hold that has every image held against its own hash tree which another, that
// may be nil, lets be read as it is.
func Always(hold Hold) Hold {
	return func(f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
		if hold != nil {
			r, err = hold(f, img)
		}
		if r == nil && err == nil {
			r, err = merkle.Held(img)
		}
		return r, err
	}
}
