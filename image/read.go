package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/image/trust/merkle"
)

// The definition file and OCI configuration of an image are kept in memory, so
// they may have at most this many bytes.
const (
	maxDeffile   = 4 << 20
	maxOCIConfig = 8 << 20
)

// ReadFile returns the bytes of a regular file that has at most max of them.
// Only such a file is read: no device, no FIFO, and no more than max whatever
// the file's size says.
func ReadFile(fsys FS, name string, max int64) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: name, Err: err} }
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return fail(fmt.Errorf("not a regular file"))
	}
	if st.Size() > max {
		return fail(fmt.Errorf("it has %d bytes; the limit is %d", st.Size(), max))
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return fail(err)
	}
	if int64(len(b)) > max {
		return fail(fmt.Errorf("it grew beyond %d bytes", max))
	}
	return b, nil
}

// Root returns the hash that names all that is read of the image's file system, if
// that is held against a hash tree (Options.Hold).
func (f *File) Root() (digest merkle.Hash, ok bool) {
	if f.held == nil {
		return digest, false
	}
	return f.held.Root().Digest(), true
}

// Held returns the file of an image that is held against a hash tree (Options.Hold), nil
// for others. Of the file system it has what is read through the tree, and of what Hold
// could read what that was, whatever the file holds by now; all else, of which nothing is
// used, is the file's.
func (f *File) Held() *io.SectionReader {
	if f.held == nil {
		return nil
	}
	_, size := f.sif.File()
	return io.NewSectionReader(&view{f.pins, f.held, f.part.offset, f.held.Root().Size}, 0, size)
}

// Deffile returns the definition file that the image was built from: the SIF
// object, or what the build left in the file system. The error wraps
// fs.ErrNotExist when there is none.
func (f *File) Deffile() ([]byte, error) {
	if f.sif != nil {
		for _, o := range f.sif.Objects() {
			if o.Type == sif.Deffile {
				return f.sif.Read(o, maxDeffile)
			}
		}
	}
	return ReadFile(f.info.FS, ".singularity.d/Singularity", maxDeffile)
}

// OCIConfig returns the OCI image configuration (JSON) that the image was made
// from. Only a SIF file keeps it; the error wraps fs.ErrNotExist when there is
// none.
func (f *File) OCIConfig() ([]byte, error) {
	if f.sif != nil {
		if o, ok := f.sif.Find(sif.JSON, sif.OCIConfig); ok {
			return f.sif.Read(o, maxOCIConfig)
		}
	}
	return nil, fmt.Errorf("OCI configuration of %s: %w", f.info.Path, fs.ErrNotExist)
}

// WorkDir returns the working directory (WORKDIR) that the OCI image names that
// the image was made of: an absolute path, or nothing where it names none, or where
// there is no such image.
func (f *File) WorkDir() (string, error) {
	text, err := f.OCIConfig()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var c struct{ WorkingDir string }
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("OCI configuration of %s: %w", f.info.Path, err)
	case c.WorkingDir == "" || strings.IndexByte(c.WorkingDir, 0) >= 0:
		return "", nil
	}
	return path.Join("/", c.WorkingDir), nil
}

// Tree returns the whole image as a tree, whose contents can be opened as long
// as the File is open. The options are for a sandbox.
func (f *File) Tree(ctx context.Context, o sandbox.ReadOptions) (*tree.Node, error) {
	if f.squash != nil {
		return f.squash.Tree()
	}
	return sandbox.ReadTree(ctx, f.f, o)
}
