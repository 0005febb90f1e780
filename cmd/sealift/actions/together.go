package actions

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealift/sealift/cmd/sealift/fromhost"
	"github.com/sealift/sealift/cmd/sealift/shares"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
)

// sharing says whether the container is to share with those of other tasks of the job step.
func (a *actionFlags) sharing(p *ui.Process, r *spec.Request, server *shares.Server) (bool, error) {
	switch a.share.Server = server; {
	case a.background != nil:
		a.share.Alone = "an instance is a container of its own"
	case a.unsquash:
		a.share.Alone = "--unsquash: its image is unpacked"
	}
	return a.share.Wants(p, r)
}

// together has a container share with those of other tasks, or is the server that they
// share. The payload is executed in the place of this process, unless that has something to
// do until the end.
func together(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, path string, a *actionFlags, commands *fromhost.Commands) (err error) {
	s := start{Process: p, box: a.box, job: launch.Job{Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}}
	if s.set, err = openAll(ctx, p, r, facts, path, a); err != nil {
		return errors.Join(err, s.set.Close())
	}
	defer s.set.Close() // which was only read
	c, err := s.finish(ctx, r, facts, a)
	if err != nil {
		return err
	}
	g, err := shares.Of(p, &a.share, c, s.set, a.source, fmt.Sprint(a.verify, a.hold != nil, a.imageCache))
	alone := func() error {
		s.begin(c.Plan.Clone, facts)
		defer s.close()
		commands.Serve(p, c.Plan.Process.Env)
		return s.foreground(ctx, c)
	}
	switch {
	case err != nil && a.share.Must():
		return err
	case err != nil:
		p.Detail("the tasks of this job step do not share this container: %v", err)
		return alone()
	case a.share.Server != nil:
		go warm(s.set.Image, c.Plan.Process)
		return g.Serve(ctx, a.share.Server, func(held *spec.Container) func(string, int, []plan.Op) error {
			s.plan = held
			return s.serve
		})
	}
	m, err := g.Join()
	switch {
	case shares.NoPlace(err) && !a.share.Must():
		p.Warn("the tasks of this job step do not share a container, and MPI may not work: %v", err)
		return alone()
	case err != nil:
		return err
	}
	defer m.Close()
	if s.box == nil && commands == nil {
		return m.Become()
	}
	s.job.Enter = m.Enter
	commands.Serve(p, c.Plan.Process.Env)
	s.begin(m.Container.Plan.Clone, facts)
	defer s.close()
	return s.foreground(ctx, m.Container)
}
