// Package siffile opens SIF files by their paths.
//
// Input: a path. Output: the open file, or an error that says what it is instead.
// It reads nothing but the magic: package sif says whether the image is sound.
package siffile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// Open opens the path of a SIF image, with a mode of os.OpenFile. It never
// waits for the writer of a FIFO, and looks at nothing but the magic.
func Open(path string, mode int) (*os.File, error) {
	f, err := os.OpenFile(path, mode|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		if errors.Is(err, syscall.EISDIR) {
			return nil, notSIF(path, "a directory")
		}
		return nil, hint.Wrap(err, "check the path, and whether the image is yours")
	}
	if err := checkSIF(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func notSIF(path, what string) error {
	return hint.New(fmt.Sprintf("%s: it is %s, not a SIF image", path, what), "make one of it: sealift build image.sif %s", path)
}

func checkSIF(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		return notSIF(f.Name(), "a directory")
	}
	if !st.Mode().IsRegular() {
		return notSIF(f.Name(), "no regular file")
	}
	magic := make([]byte, len(sif.Magic))
	if _, err := f.ReadAt(magic, sif.MagicOffset); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(magic) != sif.Magic {
		return notSIF(f.Name(), "a file of another kind")
	}
	return nil
}
