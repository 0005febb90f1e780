package build

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/metadata"
)

// Test is the step that runs %test: on the packed output, or on a stage before
// the last.
func Test(at At, packed bool) Step { return &test{at, packed} }

type test struct {
	at     At
	packed bool
}

func (s *test) Name() string { return s.at.Step("test") }

func (s *test) String() string {
	if s.packed {
		return fmt.Sprintf("%v: %%test on the new image", s.at)
	}
	return fmt.Sprintf("%v: %%test", s.at)
}

// ownKey opens the output, whatever it was encrypted for.
func (b *Build) ownKey() (*crypt.Key, error) {
	if b.sealed == nil {
		return nil, nil
	}
	return b.sealed.Key(), nil
}

func (s *test) Run(ctx context.Context, b *Build) (err error) {
	x := Exec{Test: true, Dir: "/", Env: metadata.ScriptEnvironment(b.Host.Environ, b.Stage(s.at).Env)}
	switch {
	case !s.packed:
		if x.Layers, x.View, err = b.Stage(s.at).Layers(ctx); err != nil {
			return err
		}
	case b.dir != nil:
		x.Base = b.dir.Path()
	default:
		x.Base = fmt.Sprintf("/proc/self/fd/%d", b.Image().Fd())
		x.Key = b.ownKey
	}
	if err := b.Exec(ctx, x); err != nil {
		err = fmt.Errorf("%v: %%test: %w", s.at, scriptFailure{err, s.at})
		if ctx.Err() != nil {
			return err
		}
		return hint.Wrap(err, "correct the image, build it with --notest, or keep it to look at with --keep-on-error DIR")
	}
	return nil
}
