package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sealift/sealift/runtime/view"
)

// readHost reads a regular file of the host.
func readHost(root fs.FS, name string, limit int64) (string, error) {
	f, err := root.Open(view.Relative(name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: %w", name, errors.New("not a regular file"))
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(text)) > limit {
		return "", fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return string(text), err
}
