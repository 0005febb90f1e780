package policies

import (
	"context"
	"os"
	"time"

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
		v, lasts := verdicts.Verdict{From: time.Now()}, true
		before, told := k.before.Of(f, img)
		if o != nil {
			if r, lasts, err = o.Decide(ctx, "", o.later(), f, img); err != nil {
				return nil, err
			}
			v = verdicts.Verdict{From: o.Now, Files: o.files, Links: o.links}
			lasts = lasts && !o.brief
		}
		if !lasts {
			return r, nil
		}
		v.Until = v.From.Add(verdicts.Lifetime)
		if r != nil {
			v.Root = r.Root().Bytes()
		}
		if told == nil {
			told = k.keep(ctx, f, img, before, v)
		}
		if told != nil {
			k.p.Detail("what the rules say of the image is not remembered: %v", told)
		}
		return r, nil
	}
}

// keep keeps a verdict unless something has changed that it follows from.
func (k *recorder) keep(ctx context.Context, f *os.File, img *sif.Image, before verdicts.Case, v verdicts.Verdict) error {
	grounds, err := verdicts.Examine(k.p)
	if err != nil {
		return err
	}
	after, err := grounds.Of(f, img)
	if err != nil || !after.Is(before) {
		return err
	}
	return verdicts.Keep(ctx, k.p, after, v)
}
