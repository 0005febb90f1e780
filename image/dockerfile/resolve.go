package dockerfile

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// resolve describes the target and the stages it needs, from the last to the
// first: a stage needs only stages above it.
func (p *parsing) resolve(target int) error {
	needed := make([]bool, target+1)
	needed[target] = true
	total := 0
	for i := target; i >= 0; i-- {
		if !needed[i] {
			continue
		}
		stage, err := p.stage(i)
		if err != nil {
			return err
		}
		if total += len(stage.Steps); total > maxInstructions {
			return p.at(p.stages[i].node, fmt.Errorf("more than %d steps from here on, those of ONBUILD included", maxInstructions))
		}
		if stage.Base.Kind == steps.OfStage {
			needed[stage.Base.Stage] = true
		}
		for _, step := range stage.Steps {
			for _, o := range step.From() {
				if o.Kind == steps.OfStage {
					needed[o.Stage] = true
				}
			}
		}
		p.recipe.Stages = append(p.recipe.Stages, stage)
	}
	slices.Reverse(p.recipe.Stages)
	for i := range p.recipe.Stages {
		if s := &p.recipe.Stages[i]; s.Base.Kind == steps.OfStage {
			s.Platform = p.recipe.Stage(s.Base.Stage).Platform
		}
	}
	return nil
}

// stage describes stage i.
func (p *parsing) stage(i int) (Stage, error) {
	s := &p.stages[i]
	stage := Stage{
		Number: i, Name: s.from.Name, Line: s.node.StartLine, Source: p.source(s.node), Platform: p.opt.Platform,
	}
	switch {
	case s.stage >= 0:
		stage.Base = steps.Origin{Kind: steps.OfStage, Stage: s.stage}
	case s.base == "scratch":
		stage.Base = steps.Origin{Kind: steps.OfScratch}
	default:
		stage.Base = steps.Origin{Kind: steps.OfImage, Image: s.base}
		if s.from.Platform != "" {
			var err error
			if stage.Platform, err = parsePlatform(s.from.Platform, p.opt.Platform); err != nil {
				return Stage{}, p.at(s.node, err)
			}
		}
	}
	nodes := s.nodes
	if s.stage >= 0 {
		triggers, err := p.triggers(p.stages[s.stage].nodes)
		if err != nil {
			return Stage{}, err
		}
		nodes = append(triggers, nodes...)
	}
	for _, n := range nodes {
		step, err := p.recipe.step(n, p.source(n), p.escape, i)
		if err != nil {
			return Stage{}, p.at(n, err)
		}
		stage.Steps = append(stage.Steps, step)
	}
	return stage, nil
}

// step describes an instruction of stage i; source is its text.
func (r *Recipe) step(n *parser.Node, source string, escape rune, i int) (steps.Step, error) {
	command, err := instructions.ParseInstruction(n)
	if err != nil {
		return steps.Step{}, err
	}
	f := &form{name: r.Name, node: n, escape: escape}
	step := steps.Step{Line: n.StartLine, Source: source, Form: f}
	switch c := command.(type) {
	case *instructions.ArgCommand:
		args := r.declare(c)
		step.Do = args
		_, err := tryout(escape).args(args)
		return step, err
	case *instructions.OnbuildCommand:
		trigger, err := single(c.Expression, escape)
		if err != nil {
			return steps.Step{}, err
		}
		if _, err := instructions.ParseCommand(trigger); err != nil {
			return steps.Step{}, err
		}
	}
	step.Do, err = r.describe(f, command, i)
	return step, err
}

// describe tells what a step of stage i does, where from, and that its words
// are grammatical.
func (r *Recipe) describe(f *form, command any, i int) (steps.Instruction, error) {
	names, err := references(command)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		origin, err := r.origin(name, i)
		if err != nil {
			return nil, err
		}
		f.origins = append(f.origins, origin)
	}
	constant := f.isConstant()
	if run, ok := command.(*instructions.RunCommand); ok && constant {
		if err := tryout(f.escape).command(run); err != nil {
			return nil, err
		}
	}
	do, err := f.convert(command, false)
	if err != nil {
		return nil, err
	}
	return do, r.try(steps.Step{Line: f.node.StartLine, Do: do, Form: f}, constant)
}

// try finds mistakes in a step before there is a base image: in any value if
// the step has no variables, or else in the grammar of its words alone.
func (r *Recipe) try(step steps.Step, constant bool) error {
	if constant {
		base := steps.Config{}
		base.WorkingDir = "/directory"
		_, err := r.Begin(base).Next(step)
		return unplaced(err)
	}
	f := step.Form.(*form)
	if _, isRun := step.Do.(steps.Run); isRun {
		return nil
	}
	command, err := instructions.ParseInstruction(f.node)
	if err != nil {
		return err
	}
	return tryout(f.escape).command(command)
}

// tryout returns an expander that takes any variable.
func tryout(escape rune) *expander {
	left := steps.MaxExpansion
	return &expander{any: true, lex: shell.NewLex(escape), left: &left}
}
