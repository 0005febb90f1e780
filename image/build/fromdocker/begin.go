package fromdocker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/bootstrap"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// agent returns the agent and the From value of an image as a Dockerfile names
// it: one in a registry, or TRANSPORT:REST, as bootstrap.Split has it, or the
// path of a SIF file, SquashFS image or directory. A path begins with a slash or
// a dot, or ends with .sif, and docker:24 is an image of that name; the
// transports are Sealift's own addition.
func agent(name string) (agent, from string) {
	switch {
	case strings.HasPrefix(name, "/"), strings.HasPrefix(name, "./"), strings.HasPrefix(name, "../"),
		path.Ext(name) == ".sif", name == ".":
		return "localimage", name
	}
	agent, from, err := bootstrap.Split(name)
	if err != nil || agent == "localimage" || (agent == "docker" || elsewhere.Holds(agent)) && !strings.HasPrefix(from, "//") {
		return "docker", name
	}
	return agent, from
}

// begin starts a stage: from an image, from nothing or, without base, from a
// stage above. What an image demands by ONBUILD belongs to it.
type begin struct {
	*walk
	base build.Step
}

func (s *begin) Name() string { return s.at.Step("from") }

func (s *begin) String() string {
	if s.base != nil {
		return fmt.Sprintf("%v (line %d)", s.base, s.stage.Line)
	}
	return fmt.Sprintf("%v: start from %v (line %d)", s.at, s.walks[s.stage.Base.Stage].at, s.stage.Line)
}

func (s *begin) Run(ctx context.Context, b *build.Build) error {
	if s.base == nil {
		parent := s.walks[s.stage.Base.Stage]
		s.state = parent.state.Derive()
		_, err := b.Derive(ctx, s.at, parent.at)
		return s.failed(s.stage.Line, err)
	}
	if err := s.base.Run(ctx, b); err != nil {
		return s.failed(s.stage.Line, err)
	}
	var config steps.Config
	if raw := b.Stage(s.at).Config; raw != nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return s.failed(s.stage.Line, fmt.Errorf("image configuration: %w", err))
		}
	}
	s.state = s.recipe.Begin(config)
	if dir := s.state.Config.WorkingDir; dir != "/" {
		if err := s.workdir(ctx, b, dir); err != nil {
			return s.failed(s.stage.Line, err)
		}
	}
	triggers, err := s.recipe.Triggers(s.stage, config.OnBuild)
	if err != nil {
		return err
	}
	for _, step := range triggers {
		if err := s.trigger(ctx, b, step); err != nil {
			return fmt.Errorf("ONBUILD %s of the base image: %w", abridged(step.Source), err)
		}
	}
	return nil
}

// trigger carries out what the base image demands. The images that it names
// are opened only now, as they were not known before.
func (s *begin) trigger(ctx context.Context, b *build.Build, step steps.Step) error {
	for _, o := range step.From() {
		if o.Kind != steps.OfImage {
			continue
		}
		base, err := s.image(o)
		if err == nil && base != nil {
			err = base.Run(ctx, b)
		}
		if err != nil {
			return s.failed(step.Line, err)
		}
	}
	return (&instruction{s.walk, step}).Run(ctx, b)
}

// describe writes the metadata of the image and its configuration.
type describe struct{ *walk }

func (s *describe) Name() string { return s.at.Step("metadata") }

func (s *describe) String() string { return fmt.Sprintf("%v: write metadata", s.at) }

func (s *describe) Run(_ context.Context, b *build.Build) error {
	st := b.Stage(s.at)
	config := s.state.Config
	// A local image may have a %runscript and no OCI configuration.
	keepsRunscript := st.Config == nil && s.stageImage().Kind == steps.OfImage && len(config.Entrypoint)+len(config.Cmd) == 0
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	st.Config, st.Env = raw, config.Env
	auto := metadata.Origin{
		Time: b.Now, Arch: s.stage.Platform.Architecture, Version: b.Host.Version, Base: st.Base, Digest: st.Digest,
	}.Labels()
	st.Edit(func(root *tree.Node) error {
		files, err := metadata.FromTree(root)
		if err != nil {
			return err
		}
		runscript, has := files[metadata.Runscript]
		files, err = files.WithConfig(&metadata.Config{
			Env: config.Env, Entrypoint: config.Entrypoint, Cmd: config.Cmd, Labels: config.Labels,
		})
		if err != nil {
			return err
		}
		if keepsRunscript && has {
			files[metadata.Runscript] = runscript
		}
		files, err = files.Apply(metadata.Spec{Definition: s.input.Text, Auto: auto, Labels: maps.Clone(config.Labels)})
		if err != nil {
			return err
		}
		metadata.Layout(root, b.Time())
		files.Put(root, b.Time())
		return nil
	})
	return nil
}

// stageImage returns what the first of the stages that this one is made upon
// starts from.
func (w *walk) stageImage() steps.Origin {
	for w.stage.Base.Kind == steps.OfStage {
		w = w.walks[w.stage.Base.Stage]
	}
	return w.stage.Base
}
