package dockerfile

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

// triggers returns what the ONBUILD instructions among nodes demand, at their
// lines.
func (p *parsing) triggers(nodes []*parser.Node) ([]*parser.Node, error) {
	var triggers []*parser.Node
	for _, n := range nodes {
		if !strings.EqualFold(n.Value, "onbuild") {
			continue
		}
		trigger, err := p.trigger(n)
		if err != nil {
			return nil, p.at(n, err)
		}
		triggers = append(triggers, trigger)
	}
	return triggers, nil
}

// trigger returns the instruction within an ONBUILD, at its lines.
func (p *parsing) trigger(n *parser.Node) (*parser.Node, error) {
	command, err := instructions.ParseInstruction(n)
	if err != nil {
		return nil, err
	}
	node, err := single(command.(*instructions.OnbuildCommand).Expression, p.escape)
	if err != nil {
		return nil, err
	}
	node.StartLine, node.EndLine = n.StartLine, n.EndLine
	return node, nil
}

// single parses one instruction that stands alone.
func single(text string, escape rune) (*parser.Node, error) {
	result, err := parser.Parse(strings.NewReader(fmt.Sprintf("# escape=%c\n%s", escape, text)))
	if err != nil {
		return nil, err
	}
	if len(result.AST.Children) != 1 {
		return nil, fmt.Errorf("%d instructions in an ONBUILD; expected one", len(result.AST.Children))
	}
	return result.AST.Children[0], nil
}

// Triggers returns the steps that the base image of a stage demands: those in
// OnBuild of its configuration. They come before the steps of the stage and
// have the line of its FROM.
func (r *Recipe) Triggers(stage *Stage, onbuild []string) ([]steps.Step, error) {
	var demanded []steps.Step
	for _, text := range onbuild {
		step, err := r.triggered(stage, text)
		if err != nil {
			err = fmt.Errorf("ONBUILD %s of the base image: %w", abridged(text), decided(err))
			err = hint.Wrap(err, "build on another image")
			return nil, at(r.Name, stage.Line, "from", err)
		}
		demanded = append(demanded, step)
	}
	return demanded, nil
}

func (r *Recipe) triggered(stage *Stage, text string) (steps.Step, error) {
	if len(text) > MaxSize {
		return steps.Step{}, fmt.Errorf("%d bytes; expected at most %d", len(text), MaxSize)
	}
	node, err := single(text, parser.DefaultEscapeToken)
	if err != nil {
		return steps.Step{}, err
	}
	node.StartLine, node.EndLine = stage.Line, stage.Line
	step, err := r.step(node, text, parser.DefaultEscapeToken, stage.Number)
	if err != nil {
		return steps.Step{}, err
	}
	for _, o := range step.From() {
		if o.Kind == steps.OfStage && r.Stage(o.Stage) == nil {
			return steps.Step{}, hint.New(fmt.Sprintf("stage %d is left out, as the target does not name it", o.Stage),
				"name the stage in a COPY --from of stage %d", stage.Number)
		}
	}
	return step, nil
}
