package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/policy"
)

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
	if report, err = trust.Verify(ctx, h.img, o); err != nil {
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
