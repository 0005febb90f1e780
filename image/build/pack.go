package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"

	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/stage"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Pack is the step that writes a stage to the output. The recipe's text goes
// with it.
func Pack(at At, o Options, recipe string) Step { return &pack{at, o, recipe} }

type pack struct {
	at      At
	options Options
	recipe  string
}

func (s *pack) Name() string { return "image" }

func (s *pack) String() string {
	switch {
	case s.options.Sandbox:
		return fmt.Sprintf("%v: write the directory", s.at)
	case s.options.Seal != nil:
		return fmt.Sprintf("%v: write the encrypted image", s.at)
	}
	return fmt.Sprintf("%v: write the image", s.at)
}

func (s *pack) Run(ctx context.Context, b *Build) error {
	if b.Options.FixPerms {
		b.Stage(s.at).Edit(stage.OwnerAccess)
	}
	write := s.sif
	if s.options.Sandbox {
		write = s.directory
	}
	if err := write(ctx, b); err != nil {
		return output.Explain(fmt.Errorf("%v: %w", s.at, err), filepath.Dir(s.options.Output))
	}
	b.event.Bytes = b.written()
	return nil
}

// errGuess says that the metadata in the image's header is not that of its
// file system.
var errGuess = errors.New("layers with metadata of their own")

// sif writes the SIF file. Its header comes first and holds the metadata, so
// with a streaming source that is worked out before the layers are read. In
// the rare case that they change it, they are packed apart first.
func (s *pack) sif(ctx context.Context, b *Build) error {
	st := b.Stage(s.at)
	if st.Streams() {
		files, err := guess(st)
		if err == nil {
			err = s.write(ctx, b, st, files)
		}
		if err == nil || !errors.Is(err, errGuess) && !errors.Is(err, metadata.ErrUnreadable) {
			return err
		}
		if err := errors.Join(b.Image().Truncate(0), rewind(b.Image())); err != nil {
			return err
		}
	}
	root, err := st.Settle(ctx)
	if err != nil {
		return err
	}
	files, err := metadata.FromTree(root)
	if err != nil {
		return err
	}
	return s.write(ctx, b, st, files)
}

func rewind(f io.Seeker) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// guess returns the metadata that the stage would have without its source.
func guess(st *Stage) (metadata.Files, error) {
	root, err := st.Guess()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGuess, err)
	}
	return metadata.FromTree(root)
}

// write writes the SIF file with the given metadata, which must turn out to be
// the tree's.
func (s *pack) write(ctx context.Context, b *Build, st *Stage, files metadata.Files) error {
	inspect, err := files.Inspect()
	if err != nil {
		return err
	}
	text, err := json.Marshal(inspect)
	if err != nil {
		return err
	}
	c := sif.Contents{
		Arch: st.Arch, Deffile: []byte(s.recipe), Time: b.Now, Reproducible: s.options.Reproducible,
		JSON: []sif.NamedObject{{Name: sif.InspectMetadata, Data: text}},
	}
	if st.Config != nil {
		c.JSON = append(c.JSON, sif.NamedObject{Name: sif.OCIConfig, Data: st.Config})
	}
	partition := func(w io.Writer) ([]byte, error) {
		return writer.Write(ctx, w, b.writerOptions(), st.Contents(ctx, func(root *tree.Node) error {
			found, err := metadata.FromTree(root)
			if err == nil && !maps.Equal(found, files) {
				err = errGuess
			}
			return err
		}))
	}
	if s.options.Seal != nil {
		if partition, err = b.encrypted(partition, &c); err != nil {
			return err
		}
	}
	b.writing.Store(b.Image())
	return merkle.Create(ctx, b.Image(), c, partition)
}

// encrypted returns what writes a partition encrypted, with new keys, and has the
// image tell of that.
func (b *Build) encrypted(plain func(io.Writer) ([]byte, error), c *sif.Contents) (func(io.Writer) ([]byte, error), error) {
	var err error
	if b.sealed, err = crypt.Seal(b.Options.Seal); err != nil {
		return nil, err
	}
	c.Encrypted, c.Message = true, b.sealed.Message()
	return func(w io.Writer) ([]byte, error) { return b.sealed.Write(w, plain) }, nil
}

// directory writes the output directory. Contents have to be read back for
// that, so layers are packed first.
func (s *pack) directory(ctx context.Context, b *Build) error {
	root, err := b.Stage(s.at).Settle(ctx)
	if err != nil {
		return err
	}
	return b.WriteTree(ctx, root, b.dir.Path())
}
