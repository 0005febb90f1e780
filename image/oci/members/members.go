// Package members finds the files of a tar archive where they lie in it.
//
// Input: the archive, which nobody trusts. Output: where each file's bytes are.
// No content is read.
package members

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Index is the files of an archive by cleaned name.
type Index map[string]member

// member is a file of an archive: its bytes from offset on, or another name.
type member struct {
	offset, size int64
	link         string // cleaned name of another member; "" for a file
}

// maxMembers bounds the files of an archive; a large image has hundreds.
const maxMembers = 100000

// List lists the members of the tar file that f stands at the start of.
func List(ctx context.Context, f io.ReadSeeker) (Index, error) {
	members := Index{}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, err
		}
		if err := errors.Join(ctx.Err(), members.add(h, f)); err != nil {
			return nil, fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// add enters one header, after which f stands at the content.
func (x Index) add(h *tar.Header, f io.Seeker) error {
	name := clean(h.Name)
	var m member
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		if sparse(h) {
			return hint.New("is a sparse file", "make the archive again without --sparse")
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		m = member{offset: offset, size: h.Size}
	case tar.TypeSymlink:
		m.link = clean(path.Join(path.Dir(name), h.Linkname)) // #nosec G305 -- a name in the archive, which is not unpacked
	case tar.TypeLink:
		m.link = clean(h.Linkname)
	default:
		return nil
	}
	if _, twice := x[name]; twice {
		return errors.New("occurs twice")
	}
	if len(x) >= maxMembers {
		return fmt.Errorf("more than %d files", maxMembers)
	}
	x[name] = m
	return nil
}

func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// clean makes the names of one file equal; it is only ever a map key.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// Find returns where a file's bytes are in the archive; fs.ErrNotExist if there
// is none of the name.
func (x Index) Find(name string) (offset, size int64, err error) {
	m, ok := x[clean(name)]
	// A layer that an image has twice is a link in docker save's output.
	for hops := 0; ok && m.link != "" && hops < 8; hops++ {
		m, ok = x[m.link]
	}
	if !ok || m.link != "" {
		return 0, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return m.offset, m.size, nil
}
