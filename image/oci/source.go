package oci

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/daemon"
	"github.com/sealift/sealift/image/oci/members"
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
	files members.Index
}

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
	return openIndexed(ctx, f)
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
	buffered := bufio.NewReader(f)
	how, err := compression.Sniff(buffered)
	if err != nil {
		return nil, err
	}
	if how == compression.None {
		return plain, nil
	}
	if plain, err = output.Unnamed(tempDir); err != nil {
		return nil, err
	}
	if err := compression.Copy(ctx, plain, how, buffered, compression.Limit); err != nil {
		plain.Close()
		return nil, fmt.Errorf("decompress %d bytes of %s into %s: %w", size, how, tempDir, err)
	}
	return plain, nil
}

// openDaemon gets an image from a Docker daemon and opens the archive that it is.
func openDaemon(ctx context.Context, name string, o Options) (source, error) {
	f, err := output.Unnamed(o.TempDir)
	if err != nil {
		return nil, err
	}
	if err := daemon.Save(ctx, o.Daemon, name, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return openIndexed(ctx, f)
}

// openIndexed opens a plain archive, which it closes if it cannot.
func openIndexed(ctx context.Context, f *os.File) (source, error) {
	_, err := f.Seek(0, io.SeekStart)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	files, err := members.List(ctx, f)
	if err != nil {
		f.Close()
		return nil, damaged("tar archive: %w", err)
	}
	return &archive{f, files}, nil
}

func (a *archive) open(_ context.Context, name string, _ int64) (*blob, error) {
	offset, size, err := a.files.Find(name)
	if err != nil {
		return nil, err
	}
	return &blob{io.NewSectionReader(a.File, offset, size), io.NopCloser(nil), size}, nil
}
