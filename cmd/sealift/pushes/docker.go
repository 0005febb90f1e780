package pushes

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/export"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/output"
)

// sendOCI sends the files of an image as an OCI image of one layer. An image
// that says when it was made gives the same one each time.
func (f *push) sendOCI(ctx context.Context, p *ui.Process, img *image.File, to target, bar *progress) (done pushed, err error) {
	o := contents.ExportOptions{Changes: contents.Changes{Arch: runtime.GOARCH}, CreatedBy: "sealift push"}
	if o.Compression, err = compression.ParseChoice(f.compression); err != nil {
		return done, err
	}
	if o.Time, o.Reproducible, err = p.BuildTime(); err != nil {
		return done, err
	}
	if s := img.SIF(); s != nil && !o.Reproducible {
		o.Time = time.Unix(s.Created(), 0)
	}
	w, err := f.remotes.Client(p).Writer(ctx, to.image)
	if err != nil {
		return done, err
	}
	p.Info("packing %s", img.Path()) // nobody knows how much it will be
	sink := &uploads{w: w, temp: p.TempDir(f.tmpDir), bar: bar}
	source := contents.Of(img)
	_, err = source.Export(ctx, sink, sink.temp, o)
	for _, line := range source.Warnings() {
		p.Warn("%s", line)
	}
	return sink.done, err
}

// uploads is an export.Sink that is a registry. A layer is kept in an unnamed
// file until its digest is known: many registries have it already, and not every
// one takes a blob in pieces.
type uploads struct {
	w    *registry.Writer
	temp string
	bar  *progress
	done pushed
}

// Layer is export.Sink's.
func (u *uploads) Layer(ctx context.Context, write func(io.Writer) (export.Descriptor, error)) (err error) {
	f, err := output.Unnamed(u.temp)
	if err != nil {
		return output.Explain(err, u.temp)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d, err := write(f)
	if err != nil {
		return output.Explain(err, u.temp)
	}
	u.bar.begin(d.Size)
	u.done.size = d.Size
	u.done.had, err = u.w.PutBlob(ctx, registry.Blob{Digest: d.Digest, Size: d.Size, Content: f, Sent: u.bar.Add})
	return err
}

// Config is export.Sink's.
func (u *uploads) Config(ctx context.Context, d export.Descriptor, data []byte) error {
	_, err := u.w.PutBlob(ctx, registry.Blob{Digest: d.Digest, Size: d.Size, Content: bytes.NewReader(data)})
	return err
}

// Manifest is export.Sink's.
func (u *uploads) Manifest(ctx context.Context, d export.Descriptor, data []byte) (err error) {
	u.done.digest, err = u.w.PutManifest(ctx, d.MediaType, data)
	return err
}
