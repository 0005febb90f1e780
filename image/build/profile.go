package build

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/profile"
)

// Measure is the step that runs a shell command in a stage to learn which
// files it reads, so that Pack can put them first.
func Measure(at At, command string) Step { return &measure{at, command} }

type measure struct {
	at      At
	command string
}

func (s *measure) Name() string { return s.at.Step("profile") }

func (s *measure) String() string { return fmt.Sprintf("%v: profile %s", s.at, s.command) }

func (s *measure) Run(ctx context.Context, b *Build) error {
	st := b.Stage(s.at)
	p, err := st.Pack(ctx)
	if err != nil {
		return err
	}
	r := profile.NewRecorder(p.Reader.Super().BlockSize)
	err = b.Exec(ctx, Exec{
		Base: p.Path, Args: []string{"/bin/sh", "-c", s.command}, Dir: "/",
		Env: metadata.ScriptEnvironment(b.Host.Environ, st.Env), Trace: r.Add,
	})
	if err != nil {
		return fmt.Errorf("%v: profile %q: %w", s.at, s.command, err)
	}
	hot := r.Hot()
	st.PutFirst(hot)
	b.Notice("%v: %d files are read by %s", s.at, len(hot), s.command)
	return nil
}
