// Package steps is what a Dockerfile says, as data: the steps of a stage, what
// each does, and what they do in order to the configuration of an image.
//
// Input: steps as image/dockerfile makes them, and the configuration of a base
// image. Output: the steps expanded and completed, and the configuration as
// Docker makes it. It is pure, and knows nothing of how steps are written: a
// Form does that.
package steps

import "fmt"

// MaxExpansion bounds the values that the steps of one stage put in place of
// variables, in bytes.
const MaxExpansion = 4 << 20

// Kind says what an Origin is.
type Kind int

// The kinds of Origin.
const (
	OfContext Kind = iota
	OfScratch
	OfImage
	OfStage
)

// Origin is where files come from.
type Origin struct {
	Kind Kind
	// Image is the reference of an image as written, variables filled in. One
	// that only files are taken from is for the recipe's target platform.
	Image string
	// Stage is the number of a stage, one that the recipe has.
	Stage int
}

// Step is one instruction.
type Step struct {
	// Line is where it begins, counted from 1. A step of a base image has the
	// line of FROM.
	Line int
	// Source is the exact text of its lines, without the last line end.
	Source string
	// Do is one of Run, Copy, Arg, Env, Workdir, User, Label, Entrypoint,
	// Cmd, Shell, Expose, Volume, StopSignal, Healthcheck, Onbuild and
	// Maintainer. Until Expand, its words hold variables and quotes as written.
	Do Instruction

	// Form is how the step is written.
	Form Form
}

// Form makes a step's instruction again whenever it is expanded. It is shared
// by the copies of a step, and nothing changes it.
type Form interface {
	// Expand returns do with its variables replaced by vars, and takes the
	// bytes put in from left; it fails when they do not suffice.
	Expand(do Instruction, vars map[string]string, left *int) (Instruction, error)
	// Place says of a mistake in the step of a line where it is, and how the
	// instruction is written.
	Place(line int, err error) error
}

// Instruction is what a step does, with its printed form.
type Instruction interface{ fmt.Stringer }

// Expand returns the step with its variables replaced by vars and its quotes
// removed, in those words that the instruction expands; a RUN's command, which
// its shell expands, is not among them. It fails at ${NAME:?message}, at a
// value that the instruction does not take, and when more than MaxExpansion
// bytes are put in.
func (s Step) Expand(vars map[string]string) (Step, error) {
	left := MaxExpansion
	return s.expand(vars, &left)
}

func (s Step) expand(vars map[string]string, left *int) (Step, error) {
	do, err := s.Form.Expand(s.Do, vars, left)
	if err != nil {
		return Step{}, s.Form.Place(s.Line, err)
	}
	s.Do = do
	return s, nil
}

// From returns where the step takes files from.
func (s Step) From() []Origin {
	switch do := s.Do.(type) {
	case Copy:
		return []Origin{do.From}
	case Run:
		var origins []Origin
		for _, m := range do.Mounts {
			origins = append(origins, m.From)
		}
		return origins
	}
	return nil
}

// String returns "line: instruction".
func (s Step) String() string { return fmt.Sprintf("%d: %s", s.Line, s.Do) }

// String returns the kind and the name.
func (o Origin) String() string {
	switch o.Kind {
	case OfScratch:
		return "scratch"
	case OfImage:
		return fmt.Sprintf("image %q", o.Image)
	case OfStage:
		return fmt.Sprintf("stage %d", o.Stage)
	}
	return "context"
}
