package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// openImage is openPath with errors that say what to do.
func openImage(path string) (*os.File, fs.FileInfo, error) {
	f, st, err := openPath(path)
	switch cause := errors.Unwrap(err); {
	case err == nil:
		return f, st, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, hint.Wrap(fmt.Errorf("open image %s: %w", path, cause), "check the spelling of the path")
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, hint.Wrap(fmt.Errorf("open image %s: %w", path, cause), "ask its owner to let you read it")
	default:
		return nil, nil, fmt.Errorf("open image %s: %w", path, cause)
	}
}

// openPath opens a regular file or directory. It looks before it opens, since
// to open a device can have effects, and again after, since the path may have
// changed; O_NONBLOCK keeps a FIFO put there in between from hanging it.
func openPath(path string) (*os.File, fs.FileInfo, error) {
	st, err := os.Stat(path)
	if err == nil {
		err = checkType(path, st)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err = f.Stat()
	if err == nil {
		err = checkType(path, st)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, nil, err
	}
	return f, st, nil
}
