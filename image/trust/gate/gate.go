// Package gate lets images be used as far as the rules allow.
//
// Input: a policy (image/trust/policy), keys of signers, the place of an image,
// and the image as an open file. Output: a refusal that says which rule and why;
// or what the image's file system has to be read through, so that what was
// verified is what is used, whoever writes to the file later: with the hash tree
// that a signature covers, each block is held against it when it is read and the
// start costs the same for every size; an image without one is read whole first,
// and then held against a tree of what was read.
//
// The package looks for no key and no rule by itself, asks nobody, and remembers
// nothing.
package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// Gate knows the rules and the keys. A nil one has no rules.
type Gate struct {
	Policy *policy.Policy
	// Keys returns the OpenPGP keys of signers; it is called only if some are
	// wanted.
	Keys func() (keyring.Rings, error)
	// Plain are the keys of signers that a policy names by files.
	Plain map[policy.Signer]*pem.PublicKey
	// Locate returns where an open file is, without symbolic links.
	Locate func(*os.File) (string, error)
	// Whole, if not nil, is told that so many bytes are read before an image is
	// used.
	Whole func(size int64)
	Now   time.Time
}

// Unsigned returns an error unless an image that can have no signature may be
// used: an OCI image.
func (g *Gate) Unsigned(path, source string) error {
	if g == nil {
		return nil
	}
	for _, r := range g.Policy.Rules(policy.Subject{Path: path, Source: source}) {
		if err := r.Judge(nil); err != nil {
			return err
		}
	}
	return nil
}

// Denied returns an error if an image of a source is not to be used, whoever has
// signed it.
func (g *Gate) Denied(source string) error {
	if g == nil {
		return nil
	}
	return denied(g.Policy.Rules(policy.Subject{Source: source}))
}

func denied(rules []*policy.Rule) error {
	for _, r := range rules {
		if r.Action != policy.Deny {
			continue
		}
		if err := r.Judge(nil); err != nil {
			return err
		}
	}
	return nil
}

// Hold returns what decides about an image that is open, as image.Options has it:
// one of a source, or of wherever its file is if that is empty.
func (g *Gate) Hold(ctx context.Context, source string) image.Hold {
	if g == nil {
		return nil
	}
	return func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		s := policy.Subject{Source: source}
		if source == "" {
			var err error
			if s.Path, err = g.Locate(f); err != nil {
				return nil, fmt.Errorf("where it is: %w", err)
			}
		}
		rules := g.Policy.Rules(s)
		if len(rules) == 0 {
			return nil, nil
		}
		if img == nil {
			return nil, g.Unsigned(s.Path, s.Source)
		}
		if err := denied(rules); err != nil {
			return nil, err
		}
		return g.hold(ctx, img, rules)
	}
}

// hold verifies a SIF file, and judges it by the rules.
func (g *Gate) hold(ctx context.Context, img *sif.Image, rules []*policy.Rule) (*merkle.Reader, error) {
	tree := true
	for _, r := range rules {
		tree = tree && r.Tree && !r.Legacy
	}
	held, err := g.open(ctx, img, tree)
	if err != nil {
		return nil, err
	}
	o := trust.Options{Now: g.Now}
	if o.Keys, err = g.Keys(); err != nil {
		return nil, err
	}
	for _, k := range g.Plain {
		o.Plain = append(o.Plain, k)
	}
	found := map[bool][]policy.Signature{} // with those of before SIF 1.0, or without
	for _, r := range rules {
		list, ok := found[r.Legacy]
		if !ok {
			if list, err = g.signatures(ctx, held, o, r.Legacy); err != nil {
				return nil, err
			}
			found[r.Legacy] = list
		}
		if err := r.Judge(list); err != nil {
			return nil, err
		}
	}
	return held.reader, nil
}

// held is an image whose partition is held against a hash tree.
type held struct {
	img    *sif.Image
	whole  *sif.Image // whose partition is read through reader
	reader *merkle.Reader
	tree   *merkle.Tree // that the image has, or nil
}

// open finds the tree of an image if that is to be used. Else, or where it has none,
// it makes one of what it reads of the partition now; the signatures are over that,
// then. A signature by itself does not vouch for a tree: whoever signed may never
// have held it against the partition.
func (g *Gate) open(ctx context.Context, img *sif.Image, use bool) (*held, error) {
	part, err := img.Primary()
	if err != nil {
		return nil, err
	}
	if use {
		t, err := merkle.FromImage(img)
		if err == nil {
			r := t.Reader()
			again, err := through(img, r, part)
			return &held{img, again, r, t}, err
		}
		if !errors.Is(err, merkle.ErrNoTree) {
			return nil, err
		}
	}
	if g.Whole != nil {
		g.Whole(part.Size)
	}
	file, _ := img.File()
	data := io.NewSectionReader(file, part.Offset, part.Size)
	root, tree, err := merkle.Build(ctx, data, part.Size, 0)
	if err != nil {
		return nil, err
	}
	r := merkle.NewReader(data, bytes.NewReader(tree), root)
	again, err := through(img, r, part)
	return &held{again, again, r, nil}, err
}

// through opens an image again, so that its partition is read through r, and all
// else as before.
func through(img *sif.Image, r *merkle.Reader, part sif.Partition) (*sif.Image, error) {
	file, size := img.File()
	again, err := sif.Open(&patched{file, r, part.Offset, part.Size}, size)
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

// signatures verifies all there are of an image, and those of before SIF 1.0 if
// they count.
func (g *Gate) signatures(ctx context.Context, h *held, o trust.Options, legacy bool) ([]policy.Signature, error) {
	if h.tree != nil {
		o.Vouched = h.tree.Vouched
	}
	report, err := trust.Verify(ctx, h.img, o)
	if err != nil {
		return nil, err
	}
	list := g.describe(report, h.tree)
	if !legacy {
		return list, nil
	}
	// These cover no tree: all that it says of the partition has to be as they say.
	o.Legacy, o.Vouched = true, nil
	if report, err = trust.Verify(ctx, h.whole, o); err != nil {
		return nil, err
	}
	return append(list, g.describe(report, nil)...), nil
}

// describe says what the signatures of a report are to rules.
func (g *Gate) describe(r *trust.Report, tree *merkle.Tree) (list []policy.Signature) {
	for _, s := range r.Signatures {
		err := s.Err
		if s.State == trust.Good && tree != nil {
			err = tree.SignedBy(s.Text)
		}
		p := policy.Signature{Valid: s.State == trust.Good && err == nil, Whole: true}
		if s.Format == trust.PGP {
			p.Fingerprint = s.Claimed
		}
		if err != nil {
			p.Problem = err.Error()
		}
		for _, k := range s.Signers {
			p.Key = k.Fingerprint
			if s.Format == trust.PGP {
				p.Fingerprint = k.Fingerprint
				continue
			}
			for who, key := range g.Plain {
				if key.Fingerprint() == k.Fingerprint {
					p.Signers = append(p.Signers, who)
				}
			}
		}
		slices.SortFunc(p.Signers, func(a, b policy.Signer) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, o := range r.Objects {
			p.Whole = p.Whole && covers(r, s, o)
		}
		list = append(list, p)
	}
	return list
}

// covers says whether a signature is one of those that count for an object.
func covers(r *trust.Report, s trust.Signature, o sif.Object) bool {
	for _, c := range r.Covering(o) {
		if c.Object.ID == s.Object.ID {
			return true
		}
	}
	return false
}
