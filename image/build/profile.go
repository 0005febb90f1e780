package build

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/profile"
)

// measure runs a command in the image to learn which files it reads, so that
// pack can put them first.
type measure struct {
	at      stageRef
	command string
}

func (s *measure) String() string { return fmt.Sprintf("%v: profile %s", s.at, s.command) }

func (s *measure) run(ctx context.Context, b *building) error {
	st := b.state(s.at)
	p, err := st.Pack(ctx)
	if err != nil {
		return err
	}
	r := profile.NewRecorder(p.Reader.Super().BlockSize)
	err = b.runner(ctx, Exec{
		Base: p.Path, Args: []string{"/bin/sh", "-c", s.command}, Dir: "/",
		Env: metadata.ScriptEnvironment(b.Variables, st.env), Trace: r.Add,
	})
	if err != nil {
		return fmt.Errorf("%v: profile %q: %w", s.at, s.command, err)
	}
	hot := r.Hot()
	st.PutFirst(hot)
	b.notify("%v: %d files are read by %s", s.at, len(hot), s.command)
	return nil
}
