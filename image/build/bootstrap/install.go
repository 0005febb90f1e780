package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/distro"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/stage"
	"github.com/sealift/sealift/image/tree"
)

// install has a tool of a distribution make what a stage starts from. The tool
// is the host's; the root is mounted for it, and the rest of the host is
// read-only.
type install struct {
	Source
	at   build.At
	host build.Host
	// plan is for the places below, which stand for those of a run.
	plan *distro.Bootstrap
}

// Places in a plan that is not run, but tells what would be.
const (
	someRoot = "/root-of-the-image"
	someDir  = "/files-for-the-tool"
)

func newInstall(at build.At, s Source, h build.Host) (build.Step, error) {
	if h.Foreign != nil {
		return nil, hint.Wrap(fmt.Errorf("agent %s runs programs for %s: %w", s.Agent, h.Arch, h.Foreign), "%s", hint.Of(h.Foreign))
	}
	i := &install{Source: s, at: at, host: h}
	var err error
	i.plan, err = i.compute(someRoot, someDir)
	return i, err
}

func (s *install) compute(root, dir string) (*distro.Bootstrap, error) {
	r := distro.Request{Agent: s.Agent, Keywords: s.Headers, Arch: s.host.Arch, Root: root, Dir: dir}
	return distro.Compute(r, distro.Host{Files: s.host.Files, Environ: s.host.Environ})
}

func (s *install) Name() string { return s.at.Step("base") }

func (s *install) String() string {
	what := []string{s.Agent}
	for _, keyword := range []string{"osversion", "mirrorurl"} {
		if v := s.Headers[keyword]; v != "" {
			what = append(what, metadata.WithoutUser(v))
		}
	}
	return fmt.Sprintf("%v: start from %s", s.at, strings.Join(what, " "))
}

// Run makes a layer of what the tool makes. What a mirror has changes; as with
// scripts, the same commands count as the same outcome.
func (s *install) Run(ctx context.Context, b *build.Build) error {
	st := b.Start(s.at, stage.Scratch{})
	st.Arch, st.Layered = s.host.Arch, true
	if mirror := s.Headers["mirrorurl"]; mirror != "" {
		b.Sources = append(b.Sources, metadata.Source{Name: mirror})
	}
	err := b.Layer(ctx, s.at, build.Change{
		Kind: "install", Identify: s.identify, Runs: true,
		Do: func() error {
			if err := s.install(ctx, b); err != nil {
				return err
			}
			st.Edit(func(root *tree.Node) error { return layOut(root, nil, b.Time()) })
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("%v: %s: %w", s.at, s.Agent, err)
	}
	return nil
}

// identify leaves the environment out: the tool is there by its path, and the
// rest is how this machine gets to its mirror.
func (s *install) identify(k *key.Key) error {
	k.String("script", s.plan.Script())
	for _, f := range s.plan.Files {
		k.String("file "+f.Name, f.Text)
	}
	for _, d := range s.plan.Downloads {
		k.String("download "+d.Name, d.URL)
	}
	return nil
}

// install runs the tool.
func (s *install) install(ctx context.Context, b *build.Build) error {
	root, err := b.NewDir("root")
	if err != nil {
		return err
	}
	dir, err := b.NewDir("tool")
	if err != nil {
		return err
	}
	plan, err := s.compute(root.Name(), dir.Name())
	if err != nil {
		return err
	}
	for _, note := range plan.Notes {
		b.Notice("%v: %s", s.at, note)
	}
	if err := s.prepare(ctx, b, plan, dir.Name()); err != nil {
		return err
	}
	script, err := b.HostScript("install", plan.Script())
	if err != nil {
		return err
	}
	return b.Script(ctx, s.at, "", build.Exec{
		Mount: root.Name(), ReadOnly: true, Tmp: dir.Name(), Args: []string{"/bin/sh", script}, Dir: "/", Env: plan.Env,
	})
}

// prepare puts the tool's files into dir.
func (s *install) prepare(ctx context.Context, b *build.Build, plan *distro.Bootstrap, dir string) error {
	for _, f := range plan.Files {
		if err := put(dir, f.Name, func(w io.Writer) error {
			_, err := io.WriteString(w, f.Text)
			return err
		}); err != nil {
			return err
		}
	}
	for _, d := range plan.Downloads {
		if b.Get == nil {
			return errors.New("nothing can be downloaded from here")
		}
		r, _, err := b.Get(ctx, d.URL)
		if err != nil {
			return err
		}
		err = put(dir, d.Name, func(w io.Writer) error {
			_, err := io.Copy(w, r)
			return err
		})
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", d.URL, err)
		}
	}
	return nil
}

// put makes a file.
func put(dir, name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
