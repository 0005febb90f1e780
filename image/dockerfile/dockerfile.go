// Package dockerfile turns the text of a Dockerfile into a Recipe.
//
// Input: the file's text and name, build arguments, the target stage and two
// platforms; later, what base images demand by ONBUILD. Output: the stages
// that the target needs with their steps, each with its line and its text,
// which package steps expands. It is pure: it opens no file, fetches no image
// and runs nothing.
//
// The grammar and the expansion of variables are BuildKit's, of which this is
// the only importer: docs.docker.com/reference/dockerfile describes them.
//
// A builder walks a stage in the order of its steps:
//
//	state := recipe.Begin(configurationOfTheBaseImage) // or that of a stage, Derive()
//	triggers, err := recipe.Triggers(stage, configurationOfTheBaseImage.OnBuild)
//	for _, step := range append(triggers, stage.Steps...) {
//		step, err := state.Next(step) // expanded, and noted in state.Config
//		switch do := step.Do.(type) {
//		case steps.Run: // do.Words in state.Environ(), at state.Config.WorkingDir, as state.Config.User
//		case steps.Copy: // do.Sources of do.From to do.Dest
//		case steps.Workdir: // the directory exists afterwards
//		}
//	}
package dockerfile

import (
	"fmt"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// MaxSize is the largest Dockerfile accepted, in bytes; maxInstructions bounds
// what one file may hold, and the steps that its stages may come to.
const (
	MaxSize         = 1 << 20
	maxInstructions = 10_000
)

// Platform is an operating system and an architecture as Go names them.
type Platform = v1.Platform

// Options are the facts that a Dockerfile is read with.
type Options struct {
	// Args are the build arguments given, by name.
	Args map[string]string
	// Target is the name or the number of the stage that becomes the image;
	// empty means the last one.
	Target string
	// Platform is what the image is for, Build the machine that builds it.
	// Both have an operating system and an architecture.
	Platform, Build Platform
}

// Recipe is a parsed Dockerfile.
type Recipe struct {
	// Name is the name given to Parse, as it appears in errors.
	Name string
	// Stages are those that the target needs, in the order of the file; the
	// last one is the target.
	Stages []Stage
	// Unused names the build arguments given that nothing declares, sorted.
	Unused []string

	// names are those of all stages of the file, by number.
	names []string
	// args are those given, globals those of the scope before the first FROM,
	// and proxies those which need no declaration.
	args, globals, proxies map[string]string
}

// Stage is one part of a Dockerfile, from its FROM to the next.
type Stage struct {
	// Number counts the stages of the file from 0, those left out included.
	Number int
	// Name is in lower case, and empty for a stage without one.
	Name string
	// Line is that of FROM, counted from 1, and Source its text.
	Line   int
	Source string
	// Base is a stage above, an image or scratch.
	Base steps.Origin
	// Platform is what the stage's root file system is for.
	Platform v1.Platform
	// Steps begin with those that ONBUILD of the base stage demands. What an
	// image demands is known when it is there: see Triggers.
	Steps []steps.Step
}

// Stage returns the stage of the given number, or nil for one that the
// target does not need.
func (r *Recipe) Stage(number int) *Stage {
	for i := range r.Stages {
		if r.Stages[i].Number == number {
			return &r.Stages[i]
		}
	}
	return nil
}

// Begin returns the state in which a stage upon an image begins; see
// steps.Begin.
func (r *Recipe) Begin(base steps.Config) *steps.State { return steps.Begin(base, r.proxies) }

// String prints the recipe, a line for each stage, step and mount.
func (r *Recipe) String() string {
	var b strings.Builder
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "stage %d", s.Number)
		if s.Name != "" {
			fmt.Fprintf(&b, " %q", s.Name)
		}
		fmt.Fprintf(&b, " line %d: %s for %s\n", s.Line, s.Base, platform(s.Platform))
		for _, step := range s.Steps {
			fmt.Fprintf(&b, "  %s\n", step)
		}
	}
	for _, name := range r.Unused {
		fmt.Fprintf(&b, "unused %s\n", name)
	}
	return b.String()
}

// platform returns OS/ARCHITECTURE[/VARIANT].
func platform(p v1.Platform) string {
	if p.Variant != "" {
		return p.OS + "/" + p.Architecture + "/" + p.Variant
	}
	return p.OS + "/" + p.Architecture
}
