package policies

import (
	"context"
	"os"
	"time"

	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/cmd/sealift/verdicts"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// recorder remembers what rules allow of images that are files here.
type recorder struct {
	p *ui.Process
	// before are the files with rules and keys as they were before they were read.
	before verdicts.Grounds
}

// record returns one, nil where nothing can be remembered.
func record(p *ui.Process) *recorder {
	before, err := verdicts.Examine(p)
	if err != nil {
		p.Detail("what the rules say is not remembered: %v", err)
		return nil
	}
	return &recorder{p, before}
}

// decider returns what decides by rules, which are none if o is nil, and remembers what is
// allowed.
func (k *recorder) decider(o *opened) decider {
	return func(ctx context.Context, f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
		v := verdicts.Verdict{From: time.Now()}
		before, told := caseOf(k.before, f, img)
		elsewhere := true
		if o != nil {
			lasts := false
			if r, lasts, err = o.Decide(ctx, "", o.later(), f, img); err != nil || !lasts {
				return r, err
			}
			v.From, v.Links = o.Now, o.links
			v.Paths, elsewhere = o.Policy.Places()
			elsewhere = elsewhere && v.Elsewhere(before.Place)
		}
		v.Until = v.From.Add(verdicts.Lifetime)
		switch {
		case r != nil && o.brief:
			return r, nil
		case r != nil:
			v.Root, v.Files, v.Paths = r.Root().Bytes(), o.files, nil
		case !elsewhere:
			v.Paths = nil
		}
		if told == nil {
			told = k.keep(ctx, f, img, before, v, r == nil && elsewhere)
		}
		if told != nil {
			k.p.Detail("what the rules say of the image is not remembered: %v", told)
		}
		return r, nil
	}
}

// caseOf is the case of an image where it is now.
func caseOf(g verdicts.Grounds, f *os.File, img *sif.Image) (verdicts.Case, error) {
	place, err := rulefiles.Locate(f)
	if err != nil {
		return verdicts.Case{}, err
	}
	return g.Of(place, img)
}

// keep keeps a verdict unless something has changed that it follows from; elsewhere is that it is
// about all images that are not at its paths.
func (k *recorder) keep(ctx context.Context, f *os.File, img *sif.Image, before verdicts.Case, v verdicts.Verdict, elsewhere bool) error {
	grounds, err := verdicts.Examine(k.p)
	if err != nil {
		return err
	}
	after, err := caseOf(grounds, f, img) // it may be at another place by now
	if err != nil || !after.Is(before) {
		return err
	}
	if elsewhere {
		after = grounds.Elsewhere()
	}
	return verdicts.Keep(ctx, k.p, after, v)
}
