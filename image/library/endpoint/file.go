package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// maxFile bounds a file in bytes.
const maxFile = 1 << 20

// Read reads a file. One that is missing is an empty Config.
func Read(name string) (*Config, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Parse(nil)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	var c *Config
	if err == nil {
		c, err = Parse(text)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", name, err), "correct the file, or move it away")
	}
	return c, nil
}

// Update changes a file, which appears with the mode, whole or not at all. Of
// several processes that do it at once, each sees what the one before wrote.
// Its directory is made if need be.
func Update(ctx context.Context, name string, mode fs.FileMode, change func(*Config) error) error {
	// A link to a file elsewhere stays a link.
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	dirMode := fs.FileMode(0o700)
	if mode&0o044 != 0 {
		dirMode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(name), dirMode); err != nil {
		return err
	}
	return output.Update(ctx, name, mode, func() ([]byte, error) {
		c, err := Read(name)
		if err != nil {
			return nil, err
		}
		if err := change(c); err != nil {
			return nil, err
		}
		return c.Encode()
	})
}
