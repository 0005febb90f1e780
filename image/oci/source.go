package oci

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/output"
)

// source is a set of files by name: those of a layout or an archive.
type source interface {
	// open opens a file; fs.ErrNotExist if there is none. size is how many bytes
	// it is to have, or unknownSize.
	open(ctx context.Context, name string, size int64) (*blob, error)
	Close() error
}

// blob is an open file of a source.
type blob struct {
	io.Reader
	io.Closer
	size int64 // bytes
}

// directory is a layout directory. Symbolic links in it may not lead out.
type directory struct{ *os.Root }

func openDirectory(name string) (source, error) {
	root, err := os.OpenRoot(name)
	if err == nil {
		return directory{root}, nil
	}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return nil, hint.New("is not a directory", "for a file write %s:FILE or %s:FILE", LayoutArchive, DockerArchive)
	}
	return nil, err
}

func (d directory) open(_ context.Context, name string, _ int64) (*blob, error) {
	// A FIFO must not block.
	f, err := d.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	size, err := regularSize(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &blob{f, f, size}, nil
}

func regularSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "open", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	return info.Size(), nil
}

// archive is a tar file whose members are read where they lie.
type archive struct {
	*os.File
	members map[string]member
}

// member is a file of an archive: its bytes from offset on, or another name.
type member struct {
	offset, size int64
	link         string // cleaned name of another member; "" for a file
}

// maxMembers bounds the files of an archive; a large image has hundreds.
const maxMembers = 100000

// openArchive opens an archive. A compressed one is decompressed into a file
// in tempDir that has no name.
func openArchive(ctx context.Context, name, tempDir string) (source, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, hint.New("is a directory", "write %s:DIR for a layout directory", Layout)
	}
	f, err = plainArchive(ctx, f, tempDir)
	if err != nil {
		return nil, err
	}
	members, err := index(ctx, f)
	if err != nil {
		f.Close()
		return nil, damaged("tar archive: %w", err)
	}
	return &archive{f, members}, nil
}

// plainArchive returns f, or a decompressed copy after closing f.
func plainArchive(ctx context.Context, f *os.File, tempDir string) (_ *os.File, err error) {
	plain := f
	defer func() {
		if plain != f || err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	size, err := regularSize(f)
	if err != nil {
		return nil, err
	}
	raw := &meter{ctx: ctx, r: f}
	buffered := bufio.NewReader(raw)
	how, err := compression.Sniff(buffered)
	if err != nil {
		return nil, err
	}
	if how == compression.None {
		_, err := f.Seek(0, io.SeekStart)
		return plain, err
	}
	decoder, err := compression.NewDecoder(how, buffered)
	if err != nil {
		return nil, damaged("%w", err)
	}
	defer decoder.Close()
	if plain, err = output.Unnamed(tempDir); err != nil {
		return nil, err
	}
	if err := spool(ctx, plain, decoder, raw, compression.Limit); err != nil {
		plain.Close()
		return nil, fmt.Errorf("decompress %d bytes of %s into %s: %w", size, how, tempDir, err)
	}
	return plain, nil
}

// spool copies r, which decompresses raw, into f and rewinds f.
func spool(ctx context.Context, f *os.File, r io.Reader, raw *meter, ratio compression.Expansion) error {
	buf := make([]byte, 256<<10)
	for out := int64(0); ; {
		n, err := r.Read(buf)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		out += int64(n)
		if err == io.EOF {
			_, err = f.Seek(0, io.SeekStart)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return damaged("%w", err)
		}
		if err := ratio.Check(out, raw.n); err != nil {
			return err
		}
	}
}

// index lists the members of a tar file without reading their content.
func index(ctx context.Context, f io.ReadSeeker) (map[string]member, error) {
	members := make(map[string]member)
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, err
		}
		if err := errors.Join(ctx.Err(), addMember(members, h, f)); err != nil {
			return nil, fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// addMember enters one header, after which f stands at the content.
func addMember(members map[string]member, h *tar.Header, f io.Seeker) error {
	name := cleanMember(h.Name)
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
		m.link = cleanMember(path.Join(path.Dir(name), h.Linkname))
	case tar.TypeLink:
		m.link = cleanMember(h.Linkname)
	default:
		return nil
	}
	if _, twice := members[name]; twice {
		return errors.New("occurs twice")
	}
	if len(members) >= maxMembers {
		return fmt.Errorf("more than %d files", maxMembers)
	}
	members[name] = m
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

// cleanMember makes the names of one file equal; it is only ever a map key.
func cleanMember(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func (a *archive) open(_ context.Context, name string, _ int64) (*blob, error) {
	m, ok := a.members[cleanMember(name)]
	// A layer that an image has twice is a link in docker save's output.
	for hops := 0; ok && m.link != "" && hops < 8; hops++ {
		m, ok = a.members[m.link]
	}
	if !ok || m.link != "" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &blob{io.NewSectionReader(a.File, m.offset, m.size), io.NopCloser(nil), m.size}, nil
}
