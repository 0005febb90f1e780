// Package pull gets images from where they are: as SIF files in the cache, made
// once for all processes of a user, or as files of their own.
//
// Input: the name of an image, TRANSPORT:REST, and a build's environment, in
// which its conversion happens. Output: an open file that holds the image, or a
// new file at a path. An image of a registry is known by its digest, so one that
// is in the cache is not fetched again: a tag costs one request that asks for
// its digest, and a digest none.
//
// It does not know what runs images, and prints nothing.
package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/fromdef"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Environment is what images are got with.
type Environment struct {
	// Environment is that of conversions. Its Cache, if not nil, keeps images.
	build.Environment
	// Expect, if not nil, is told how many bytes will come, 0 if nobody knows;
	// Received how many came, each time that some did, by several goroutines.
	Expect   func(total int64)
	Received func(n int64)
}

// Origin is what there is to tell of an image.
type Origin struct {
	// Name tells where it came from, and Digest what it is there: of its manifest
	// or, for a file, of that. It is empty where nothing tells.
	Name, Digest string
	// Cached says that it was here before.
	Cached bool
}

// Image is an image that is here.
type Image struct {
	Origin
	// File holds the image. Other data may follow it.
	File   *os.File
	entry  *cache.Entry
	isFile bool // it was a file there too
}

// Path opens the image as long as it is not closed: proc_pid_fd(5).
func (i *Image) Path() string { return fmt.Sprintf("/proc/self/fd/%d", i.File.Fd()) }

// Size returns the bytes of the image.
func (i *Image) Size() (int64, error) {
	if i.entry != nil {
		return i.entry.Info().Size, nil
	}
	info, err := i.File.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close closes the file. An image that is not in the cache is gone then.
func (i *Image) Close() error {
	if i.entry != nil {
		return i.entry.Close()
	}
	return i.File.Close()
}

// Open returns the image that source names, from the cache if it is there.
// Options.TmpDir has to be set: images go there that no cache keeps.
func Open(ctx context.Context, source string, o build.Options, e Environment) (*Image, error) {
	var apart *os.File
	i, err := open(ctx, source, o, e, func() (f *os.File, err error) {
		if apart, err = output.Unnamed(e.Host.Absolute(o.TmpDir)); err != nil {
			return nil, hint.Wrap(err, "set SEALIFT_TMPDIR to a directory that can be written to")
		}
		return apart, nil
	})
	if err != nil && apart != nil {
		err = errors.Join(err, apart.Close())
	}
	return i, err
}

func open(ctx context.Context, source string, o build.Options, e Environment, apart func() (*os.File, error)) (*Image, error) {
	f, err := find(ctx, source, o, e)
	if err != nil {
		return nil, err
	}
	i, err := f.open(ctx, e, apart)
	if err = errors.Join(err, f.close()); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return i, nil
}

// Result is what Save has done.
type Result struct {
	Origin
	// Bytes is the size of the output, 0 for a directory.
	Bytes int64
}

// Save writes the image that source names to a new file at Options.Output, or a
// directory if it is to be a sandbox, through the cache if there is one. The
// output appears when it is whole.
func Save(ctx context.Context, source string, o build.Options, e Environment) (*Result, error) {
	if o.Sandbox {
		return saveDirectory(ctx, source, o, e)
	}
	out, err := output.Create(e.Host.Absolute(o.Output), output.Options{Force: o.Force, Mode: 0o777})
	if err != nil {
		return nil, err
	}
	r, err := save(ctx, source, o, e, out)
	if err = errors.Join(err, out.Abort()); err != nil {
		return nil, err
	}
	return r, nil
}

// save writes the image to out, straight if no cache keeps it, and gives it its
// name.
func save(ctx context.Context, source string, o build.Options, e Environment, out *output.File) (r *Result, err error) {
	i, err := open(ctx, source, o, e, func() (*os.File, error) { return out.File(), nil })
	if err != nil {
		return nil, err
	}
	if err := i.judge(ctx, e); err != nil {
		return nil, errors.Join(err, i.release())
	}
	r = &Result{Origin: i.Origin}
	if r.Bytes, err = i.Size(); err != nil {
		return nil, err
	}
	if i.entry != nil {
		defer func() { err = errors.Join(err, i.release()) }()
		// The kernel copies, and shares blocks where the file system can:
		// copy_file_range(2).
		if _, err := i.File.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(out.File(), i.File, r.Bytes); err != nil {
			return nil, out.Explain(fmt.Errorf("write %s: %w", o.Output, err))
		}
	}
	return r, out.Commit()
}

// judge holds a file of elsewhere against the rules that there are for it. An image
// that was converted here has no signature, and was judged before.
func (i *Image) judge(ctx context.Context, e Environment) error {
	if e.Gate == nil || !i.isFile {
		return nil
	}
	if err := image.Judge(i.Path(), whole(ctx, e.Hold(ctx, i.Name))); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	return nil
}

// whole has all partitions of an image read if it is to be held: what is copied is not read
// through the trees.
func whole(ctx context.Context, hold image.Hold) image.Hold {
	if hold == nil {
		return nil
	}
	return func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		r, err := hold(f, img)
		if err != nil || r == nil {
			return r, err
		}
		if err := r.Check(ctx, 0); err != nil {
			return nil, err
		}
		primary, _ := img.PrimaryObject()
		for _, id := range merkle.Partitions(img) {
			if id == primary.ID {
				continue
			}
			other, err := hold(f, img.Select(id))
			if err == nil && other != nil {
				err = other.Check(ctx, 0)
			}
			if err != nil {
				return nil, err
			}
		}
		return r, nil
	}
}

// origin is a Gate for a file that has a name elsewhere, wherever it is now.
type origin struct {
	image.Gate
	name string
}

// Hold is Gate's.
func (o origin) Hold(ctx context.Context, _ string) image.Hold { return o.Gate.Hold(ctx, o.name) }

// release closes the cache's file, if it is that.
func (i *Image) release() error {
	if i.entry == nil {
		return nil
	}
	return i.entry.Close()
}

// saveDirectory writes the image's files to a directory.
func saveDirectory(ctx context.Context, source string, o build.Options, e Environment) (*Result, error) {
	i, err := Open(ctx, source, o, e)
	if err != nil {
		return nil, err
	}
	switch {
	case !i.isFile:
		e.Gate = nil // it was judged before it was converted
	case e.Gate != nil:
		e.Gate = origin{e.Gate, i.Name}
	}
	steps, err := fromdef.Convert(i.Path(), nil, e.Host, o)
	if err == nil {
		err = build.Run(ctx, steps, o, e.Environment)
	}
	return &Result{Origin: i.Origin}, errors.Join(err, i.Close())
}
