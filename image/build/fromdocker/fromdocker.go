// Package fromdocker turns a Dockerfile into the steps of its build.
//
// Input: a dockerfile.Recipe, facts of the host, and options. Output: steps of
// package build, one for each instruction, and before them one for what the
// stage starts from. RUN, COPY, ADD and WORKDIR make a layer each, with an entry
// in the cache. The image becomes what a build from the image that Docker would
// have made becomes. Compute is pure; its steps read the context, fetch URLs and
// run programs when the build takes them.
//
// Semantics are those of docs.docker.com/reference/dockerfile, where this
// package says nothing else.
package fromdocker

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/bootstrap"
	"github.com/sealift/sealift/image/dockerfile"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

// Input is what a Dockerfile is built with.
type Input struct {
	// Text is the Dockerfile's, which goes with the image.
	Text string
	// Context is where COPY and ADD find files.
	Context Context
	// Secrets returns the values of secrets by their id. One is called when a
	// RUN asks for it.
	Secrets map[string]func() ([]byte, error)
}

// Compute returns the steps that build the recipe's last stage. It is pure.
// Errors in the Dockerfile are of type *dockerfile.Error.
func Compute(r *dockerfile.Recipe, in Input, h build.Host, o build.Options) ([]build.Step, error) {
	if err := o.Check(h); err != nil {
		return nil, err
	}
	c := &computer{recipe: r, input: in, host: h, walks: map[int]*walk{}, images: map[string]build.At{}, next: len(r.Stages)}
	c.steps = []build.Step{build.Create(o)}
	for i := range r.Stages {
		if err := c.stage(i); err != nil {
			return nil, err
		}
	}
	last := c.walks[r.Stages[len(r.Stages)-1].Number]
	c.steps = append(c.steps, &describe{last})
	if o.Profile != "" {
		c.steps = append(c.steps, build.Measure(last.at, o.Profile))
	}
	return append(c.steps, build.Pack(last.at, o, in.Text), build.Commit(o)), nil
}

// computer makes the steps, which share it.
type computer struct {
	recipe *dockerfile.Recipe
	input  Input
	host   build.Host
	steps  []build.Step
	// walks are those of the stages, by the stages' numbers; images are the
	// stages of images that files are copied from, by name.
	walks  map[int]*walk
	images map[string]build.At
	// next is the index of the next stage that the recipe does not have.
	next int
	// caches are the directories of cache mounts, by what tells one from
	// another.
	caches map[string]string
}

// walk is a stage as far as its steps have come.
type walk struct {
	*computer
	at    build.At
	stage *dockerfile.Stage
	state *steps.State
}

// stage adds the steps of a stage.
func (c *computer) stage(i int) error {
	s := &c.recipe.Stages[i]
	w := &walk{computer: c, at: build.At{Index: i, Label: s.Name}, stage: s}
	c.walks[s.Number] = w
	begin := &begin{walk: w}
	if s.Base.Kind != steps.OfStage {
		base, err := c.base(s.Base, w.at, s.Platform)
		if err != nil {
			return w.failed(s.Line, err)
		}
		begin.base = base
	}
	c.steps = append(c.steps, begin)
	for _, step := range s.Steps {
		if err := w.addImages(step); err != nil {
			return w.failed(step.Line, err)
		}
		if _, runs := step.Do.(steps.Run); runs {
			if err := c.runs(s.Platform.Architecture); err != nil {
				return w.failed(step.Line, err)
			}
		}
		c.steps = append(c.steps, &instruction{w, step})
	}
	return nil
}

// runs refuses a RUN whose programs do not run here, or are not known to.
func (c *computer) runs(arch string) error {
	switch {
	case arch == c.host.Arch && c.host.Foreign != nil:
		return fmt.Errorf("RUN runs programs for %s: %w", arch, c.host.Foreign)
	case arch != c.host.Arch && arch != c.host.Native:
		return hint.New(fmt.Sprintf("RUN runs programs for %s, which is neither this machine's architecture nor that of the image", arch),
			"build for it with --arch %s", arch)
	}
	return nil
}

// addImages adds the steps that open the images which a step takes files from.
func (w *walk) addImages(step steps.Step) error {
	for _, o := range step.From() {
		if o.Kind != steps.OfImage {
			continue
		}
		base, err := w.image(o)
		if err != nil {
			return err
		}
		if base != nil {
			w.steps = append(w.steps, &open{w, base, step.Line})
		}
	}
	return nil
}

// image gives an image that files are taken from a place, and returns the step
// that opens it, nil for one that has a place already.
func (c *computer) image(o steps.Origin) (build.Step, error) {
	if _, known := c.images[o.Image]; known {
		return nil, nil
	}
	at := c.newStage(o.Image)
	base, err := c.base(o, at, dockerfile.Platform{Architecture: c.host.Arch, Variant: c.host.Variant})
	if err == nil {
		c.images[o.Image] = at
	}
	return base, err
}

// newStage returns the place of a stage that the recipe does not have.
func (c *computer) newStage(name string) build.At {
	c.next++
	return build.At{Index: c.next - 1, Label: name}
}

// base returns the step that starts a stage from an image or from nothing.
func (c *computer) base(o steps.Origin, at build.At, p dockerfile.Platform) (build.Step, error) {
	source := bootstrap.Source{Agent: "scratch", Layered: true}
	if o.Kind == steps.OfImage {
		source.Agent, source.From = agent(o.Image)
	}
	h := c.host
	h.Arch, h.Variant = p.Architecture, p.Variant
	return bootstrap.New(at, source, h)
}

// failed says on which line of the Dockerfile err is.
func (w *walk) failed(line int, err error) error {
	var placed *dockerfile.Error
	if err == nil || errors.As(err, &placed) {
		return err
	}
	return &dockerfile.Error{Name: w.recipe.Name, Line: line, Err: err}
}

// open opens an image that files are copied from.
type open struct {
	*walk
	build.Step
	line int
}

func (s *open) Run(ctx context.Context, b *build.Build) error {
	return s.failed(s.line, s.Step.Run(ctx, b))
}

// Name and String are the opening step's.
func (s *open) Name() string   { return s.Step.Name() }
func (s *open) String() string { return fmt.Sprintf("%v (line %d)", s.Step, s.line) }
