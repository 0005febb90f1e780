package image

import (
	"errors"
	"io"

	"github.com/sealift/sealift/image/sif"
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
