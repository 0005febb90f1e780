package gate

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/policy"
)

// held is an image whose partition is held against a hash tree.
type held struct {
	// img is the image. Its partition is read through reader, if there is no tree.
	img    *sif.Image
	reader *merkle.Reader
	// tree, if not nil, is what signatures are held against without reading the partition.
	tree *merkle.Tree
}

// open finds what the partition of an image is held against. A signature by itself does not
// vouch for the tree in an image: whoever signed may never have held it against the
// partition. It does for the partition's digest; what has that, reading it whole tells.
func (g *Gate) open(ctx context.Context, img *sif.Image, rules []*policy.Rule) (*held, error) {
	part, err := img.Primary()
	if err != nil {
		return nil, err
	}
	believed, legacy := true, false
	for _, r := range rules {
		believed, legacy = believed && r.Tree, legacy || r.Legacy
	}
	own, err := merkle.FromImage(img)
	switch {
	case legacy: // such signatures are about the bytes, and by hashes of their own
		return g.readWhole(ctx, img, part)
	case believed && err == nil:
		return &held{img, own.Reader(), own}, nil
	case believed && !errors.Is(err, merkle.ErrNoTree):
		return nil, err
	case err != nil: // whatever is wrong with it, it is not used
		own = &merkle.Tree{}
	}
	digest, err := named(ctx, img)
	if err != nil {
		return nil, err
	}
	if digest == "" {
		return g.readWhole(ctx, img, part)
	}
	known, err := g.recall(ctx, img, part, merkle.Wanted{Digest: digest, Size: part.Size, Own: own.Root})
	if err != nil {
		return nil, err
	}
	tree, err := known.Of(img)
	if err != nil {
		return nil, err
	}
	return &held{img, tree.Reader(), tree}, nil
}

// named returns the digest of the partition on which all signatures agree that say one,
// whoever made them; nothing if they do not.
func named(ctx context.Context, img *sif.Image) (digest string, err error) {
	part, _ := img.PrimaryObject()
	report, err := trust.Verify(ctx, img, trust.Options{}) // by no key: nothing is read but signatures
	if err != nil {
		return "", err
	}
	for _, s := range report.Signatures {
		if s.Text == nil || !s.Object.LinksGroup || s.Object.Link != part.Group {
			continue
		}
		says, err := merkle.Digest(img, s.Text)
		if err != nil || says == "" || digest != "" && says != digest {
			return "", err
		}
		digest = says
	}
	return digest, nil
}

// recall returns what is known of a partition, which it reads if nothing is.
func (g *Gate) recall(ctx context.Context, img *sif.Image, part sif.Partition, w merkle.Wanted) (merkle.Summary, error) {
	read := func() (merkle.Summary, error) { return g.read(ctx, img, part) }
	if g.Memory == nil {
		return read()
	}
	return g.Memory.Summary(ctx, w, read)
}

// read reads a partition.
func (g *Gate) read(ctx context.Context, img *sif.Image, part sif.Partition) (merkle.Summary, error) {
	var told Progress = untold{}
	if g.Whole != nil {
		told = g.Whole(part.Size)
	}
	defer told.Stop()
	return merkle.Summarize(ctx, section(img, part), part.Size, told.Add)
}

// untold is told in vain.
type untold struct{}

func (untold) Add(int64) {}
func (untold) Stop()     {}

func section(img *sif.Image, part sif.Partition) *io.SectionReader {
	file, _ := img.File()
	return io.NewSectionReader(file, part.Offset, part.Size)
}

// readWhole makes a tree of what it reads of the partition now. All that is verified
// afterwards reads through that, so that the signatures are over what was read.
func (g *Gate) readWhole(ctx context.Context, img *sif.Image, part sif.Partition) (*held, error) {
	s, err := g.read(ctx, img, part)
	if err != nil {
		return nil, err
	}
	r := merkle.NewReader(section(img, part), bytes.NewReader(s.Tree), s.Root)
	again, err := through(img, r, part)
	return &held{img: again, reader: r}, err
}

// through opens an image again, so that its partition is read through r, and all
// else as before.
func through(img *sif.Image, r *merkle.Reader, part sif.Partition) (*sif.Image, error) {
	file, _ := img.File()
	again, err := img.Again(&patched{file, r, part.Offset, part.Size})
	if err != nil {
		return nil, err
	}
	if now, err := again.Primary(); err != nil || now != part {
		return nil, hint.New("it was changed while it was opened", "try again")
	}
	return again, nil
}

// patched reads a part of a file through another reader.
type patched struct {
	file         io.ReaderAt
	part         io.ReaderAt
	offset, size int64
}

// ReadAt is io.ReaderAt's.
func (p *patched) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		at := off + int64(n)
		var m int
		switch rest := b[n:]; {
		case at < p.offset:
			m, err = p.file.ReadAt(rest[:min(int64(len(rest)), p.offset-at)], at)
		case at < p.offset+p.size:
			rest = rest[:min(int64(len(rest)), p.offset+p.size-at)]
			if m, err = p.part.ReadAt(rest, at-p.offset); err == io.EOF && m == len(rest) {
				err = nil // of the part
			}
		default:
			m, err = p.file.ReadAt(rest, at)
		}
		n += m
	}
	return n, err
}
