// Package image opens container images: SIF files, bare SquashFS files, also those
// of Singularity 2 that begin with a "#!" line, and directories.
//
// Input: a path. Output: a File, which holds one open descriptor through which
// everything is read from then on, so that a path that changes its meaning
// later changes nothing. What a file is, its contents say and never its name.
// The package mounts and runs nothing and trusts no byte of an image.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Kind is the format of an image.
type Kind int

// The formats.
const (
	SIF Kind = iota
	SquashFS
	Sandbox
	// Ext3 is ext2, ext3 or ext4. Such files, and partitions, have no FS here.
	Ext3
)

// String returns the format's name.
func (k Kind) String() string { return [...]string{"SIF", "SquashFS", "sandbox", "ext3"}[k] }

// FS is the file system of an image. Symbolic links are resolved inside it, as
// if it were mounted on /. Names have no leading slash, as in io/fs.
type FS interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadFileFS
	fs.ReadLinkFS
}

// Info is what there is to know about an image without a descriptor.
type Info struct {
	// Path is the path that the user gave, and Name, unless empty, what the user
	// called an image that had to be got from elsewhere.
	Path, Name string
	Kind       Kind
	// Arch is the Go name of the architecture, or empty where the format does
	// not say.
	Arch string
	FS   FS
	// WorkDir is the working directory that an OCI image names (File.WorkDir), for
	// who asks for it.
	WorkDir string
}

// File is an open image.
type File struct {
	f      *os.File
	info   Info
	sif    *sif.Image
	pins   *pins // what sif is read through, or nil
	squash *squashfs.Reader
	held   *merkle.Reader // what the partition is held against its tree by, or nil
	plain  *crypt.Image   // the SquashFS image of an encrypted partition, or nil
	part   span           // of f that is the partition or the file system
}

// Hold is a decision about an image that is being opened (Options.Hold).
type Hold func(f *os.File, img *sif.Image) (*merkle.Reader, error)

// Gate knows which images may be used: package image/trust/gate.
type Gate interface {
	// Unsigned is about an image that can have no signature, at a path or of a name
	// elsewhere, TRANSPORT://... with everything spelled out; Denied about one of a
	// name, whoever has signed it. Each returns an error if it is not to be used.
	Unsigned(path, name string) error
	Denied(name string) error
	// Hold decides about a file of a name, of where it is if that is empty.
	Hold(ctx context.Context, name string) Hold
}

// Options are choices of Open; the zero value is the default.
type Options struct {
	// CacheBytes is the size of the cache of decoded blocks (see
	// squashfs.Options), 0 for its default.
	CacheBytes int64
	// Name is Info's.
	Name string
	// Hold, unless nil, decides about the open file, and returns what all that is
	// read of the image's file system is held against a hash tree by, or nil to read
	// it as it is. It is called before any of that is read, with the objects of a SIF
	// file and with nil for the other formats. What SIF reads of an image that is held
	// is what Hold could read: other objects than those are not read. Its error says why the image is not to
	// be opened.
	Hold Hold
	// Key returns the key of an encrypted image; it is called for no other. Nil
	// is that there is no key, as is a function that returns none.
	Key func() (*crypt.Key, error)
}

// Title returns the name, or else the path as a function makes it absolute.
func (i Info) Title(absolute func(path string) string) string {
	if i.Name != "" {
		return i.Name
	}
	return absolute(i.Path)
}

// Open opens the image at path. Errors about a file that is no image say what
// it looks like.
func Open(path string, o Options) (*File, error) {
	f, st, err := openImage(path)
	if err != nil {
		return nil, err
	}
	file := &File{f: f, info: Info{Path: path, Name: o.Name}}
	if st.IsDir() {
		err = file.openSandbox(o)
	} else {
		err = file.openFile(st.Size(), System, 0, o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open image %s: %w", path, err), f.Close())
	}
	return file, nil
}

func (f *File) openSandbox(o Options) error {
	if _, err := f.source(o, 0); err != nil {
		return err
	}
	fsys := sandbox.FS(f.f)
	f.info.Kind, f.info.FS = Sandbox, fsys
	return checkDirectory(fsys, f.info.Path)
}

// openFile opens a file of size bytes for a use; id, unless 0, is of the partition
// of a SIF file.
func (f *File) openFile(size int64, use Use, id uint32, o Options) error {
	head := make([]byte, min(size, sniffSize))
	if _, err := io.ReadFull(io.NewSectionReader(f.f, 0, size), head); err != nil {
		return fmt.Errorf("read its start: %w", err)
	}
	start, bare := format.Start(head)
	part := sif.Partition{Offset: start, Size: size - start}
	switch {
	case has(head, sif.MagicOffset, sif.Magic):
		var err error
		if part, err = f.openSIF(size, id, o); err != nil {
			return err
		}
	case bare:
		f.info.Kind = SquashFS
	case use != System && has(head, ext3.offset, ext3.magic):
		f.info.Kind = Ext3
	default:
		return notImage(head, f.info.Path)
	}
	f.part = span{part.Offset, part.Size}
	if f.info.Kind == Ext3 {
		return f.unsigned(o)
	}
	source, err := f.source(o, part.Size)
	if err != nil {
		return err
	}
	length := part.Size
	if part.Encrypted() {
		if f.plain, err = f.decrypt(source, part, o); err != nil {
			return err
		}
		source, length = f.plain, f.plain.Size()
	}
	f.squash, err = squashfs.Open(source, length, squashfs.Options{CacheBytes: o.CacheBytes})
	if err != nil {
		return err
	}
	f.info.FS = f.squash.FS()
	return nil
}

// source returns what the image's file system, of length bytes, is read through.
func (f *File) source(o Options, length int64) (io.ReaderAt, error) {
	if o.Hold != nil {
		var err error
		if f.held, err = o.Hold(f.f, f.sif); err != nil {
			return nil, err
		}
		if f.pins != nil {
			f.pins.settle(f.sif, f.held != nil)
		}
		if f.held != nil {
			return f.held, nil
		}
	}
	return io.NewSectionReader(f.f, f.part.offset, length), nil
}

// openSIF finds the partition with the id, 0 for the primary one.
func (f *File) openSIF(size int64, id uint32, o Options) (sif.Partition, error) {
	var err error
	if o.Hold == nil {
		f.sif, err = sif.Open(f.f, size)
	} else {
		f.sif, f.pins, err = pin(f.f, size, maxPinned)
	}
	if err != nil {
		return sif.Partition{}, err
	}
	f.info.Kind = SIF
	if id == 0 {
		f.info.Arch = f.sif.Arch()
		return f.sif.Primary()
	}
	object, err := f.sif.Lookup(id)
	if err != nil {
		return sif.Partition{}, err
	}
	p, ok := object.Partition()
	switch {
	case !ok:
		return p, hint.New(fmt.Sprintf("%v is no partition", object), "'sealift sif list' shows the objects")
	case p.FS == ext3FS:
		f.info.Kind = Ext3
		return p, nil
	}
	f.sif = f.sif.Select(id)
	return f.sif.Primary()
}

// decrypt opens an encrypted partition.
func (f *File) decrypt(r io.ReaderAt, part sif.Partition, o Options) (*crypt.Image, error) {
	var key *crypt.Key
	if o.Key != nil {
		var err error
		if key, err = o.Key(); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, hint.New("it is encrypted, and no key is given",
			"use --passphrase or --pem-path FILE, or set SEALIFT_ENCRYPTION_PASSPHRASE or SEALIFT_ENCRYPTION_PEM_PATH")
	}
	messages, err := f.sif.Messages(part, crypt.MaxMessage)
	if err != nil {
		return nil, err
	}
	return crypt.Open(r, part.Size, messages, key)
}

// Path returns the path that Open was given.
func (f *File) Path() string { return f.info.Path }

// Kind returns the image's format.
func (f *File) Kind() Kind { return f.info.Kind }

// Arch returns the Go name of the architecture, or the empty string.
func (f *File) Arch() string { return f.info.Arch }

// FS returns the image's file system, which lives as long as the File.
func (f *File) FS() FS { return f.info.FS }

// Info returns the image's description.
func (f *File) Info() Info { return f.info }

// Squash returns the SquashFS reader, or nil for a sandbox.
func (f *File) Squash() *squashfs.Reader { return f.squash }

// SIF returns the SIF file's objects, or nil for the other formats.
func (f *File) SIF() *sif.Image { return f.sif }

// File returns the open image file or directory; the caller must not close it.
func (f *File) File() *os.File { return f.f }

// Err returns the first error of data that was read and is not what the image's
// hash tree says (Options.Hold), or nil.
func (f *File) Err() error {
	if f.held == nil || f.held.Err() == nil {
		return nil
	}
	return fmt.Errorf("image %s: %w", f.info.Path, f.held.Err())
}

// Encrypted tells whether what the image holds is encrypted in its file.
func (f *File) Encrypted() bool { return f.plain != nil }

// Close closes the image; its FS and readers end with it.
func (f *File) Close() error { return f.f.Close() }
