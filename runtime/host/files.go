package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// ReadFile reads a regular file of the host of at most limit bytes. name is an
// absolute path, which the error names.
func (f *Facts) ReadFile(name string, limit int64) (string, error) {
	text, err := readFile(f.Root, strings.TrimPrefix(name, "/"), limit)
	if err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err // its path lacks the slash
		}
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func readFile(root fs.FS, name string, limit int64) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(text)) > limit {
		return "", fmt.Errorf("it has more than %d bytes", limit)
	}
	return string(text), err
}
