package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

// parsing is a Dockerfile on its way to a Recipe.
type parsing struct {
	opt    Options
	recipe *Recipe
	// lines are those of the file, without line ends.
	lines  []string
	escape rune
	stages []part
}

// part is one stage as BuildKit's parser gives it.
type part struct {
	from *instructions.Stage
	// node is that of FROM, nodes are those below.
	node  *parser.Node
	nodes []*parser.Node
	// base is the name after FROM, and stage the number of the stage of that
	// name, or -1.
	base  string
	stage int
}

// Parse reads a Dockerfile; name is what errors call it. An error is at a
// line, says what was expected and carries a hint. Line ends become those of
// Unix.
func Parse(name string, text []byte, opt Options) (*Recipe, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: Dockerfile of %d bytes; expected at most %d", name, len(text), MaxSize)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	recipe := &Recipe{Name: name, args: opt.Args, proxies: proxies(opt.Args)}
	p := &parsing{opt: opt, recipe: recipe, lines: strings.Split(string(text), "\n")}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, at(name, 1+bytes.Count(text[:i], []byte("\n")), "", hint.New("NUL byte; expected text", "save the file as plain text"))
	}
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, p.ungrammatical(err)
	}
	if n := len(result.AST.Children); n > maxInstructions {
		return nil, fmt.Errorf("%s: %d instructions; expected at most %d", name, n, maxInstructions)
	}
	p.escape = result.EscapeToken
	if err := p.split(result.AST.Children); err != nil {
		return nil, err
	}
	target, err := p.target()
	if err != nil {
		return nil, err
	}
	if err := p.resolve(target); err != nil {
		return nil, err
	}
	return p.recipe, nil
}

// ungrammatical places an error of BuildKit's parser.
func (p *parsing) ungrammatical(err error) error {
	line := 1
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		line = max(1, located.Locations[0][0].Start.Line)
	}
	var keyword string
	if line <= len(p.lines) {
		keyword, _, _ = strings.Cut(strings.TrimSpace(p.lines[line-1]), " ")
	}
	if _, known := usage[strings.ToLower(keyword)]; !known {
		err = hint.Wrap(err, "begin the file with FROM and write one instruction a line")
	}
	return at(p.recipe.Name, line, keyword, err)
}

// split checks every instruction by itself and sorts them into stages; then
// it evaluates what is before the first one, and the names after FROM.
func (p *parsing) split(nodes []*parser.Node) error {
	var before []*instructions.ArgCommand
	var lines []int
	declared := map[string]bool{}
	for _, n := range nodes {
		command, err := instructions.ParseInstruction(n)
		if err != nil {
			return p.at(n, err)
		}
		arg, isArg := command.(*instructions.ArgCommand)
		if isArg {
			for _, a := range arg.Args {
				declared[a.Key] = true
			}
		}
		switch from, isFrom := command.(*instructions.Stage); {
		case isFrom:
			p.stages = append(p.stages, part{from: from, node: n, stage: -1})
			p.recipe.names = append(p.recipe.names, from.Name)
		case len(p.stages) > 0:
			last := &p.stages[len(p.stages)-1]
			last.nodes = append(last.nodes, n)
		case isArg:
			before, lines = append(before, arg), append(lines, n.StartLine)
		default:
			return hint.Wrap(p.at(n, fmt.Errorf("%s before the first FROM; expected FROM or ARG", strings.ToUpper(n.Value))),
				"begin with %s", usage["from"])
		}
	}
	if len(p.stages) == 0 {
		return at(p.recipe.Name, len(p.lines), "from", errors.New("no FROM; expected at least one stage"))
	}
	if err := p.global(before, lines); err != nil {
		return err
	}
	p.recipe.Unused = p.unused(declared)
	return p.bases()
}

// global evaluates the arguments before the first FROM, in order.
func (p *parsing) global(args []*instructions.ArgCommand, lines []int) error {
	target := p.opt.Target
	if target == "" {
		target = p.recipe.names[len(p.recipe.names)-1]
	}
	p.recipe.globals = predefined(p.opt, target)
	left := steps.MaxExpansion
	x := &expander{vars: p.recipe.globals, lex: shell.NewLex(p.escape), left: &left}
	for i, arg := range args {
		evaluated, err := x.args(p.recipe.declare(arg))
		if err != nil {
			return at(p.recipe.Name, lines[i], "arg", err)
		}
		for _, d := range evaluated {
			if d.Set {
				p.recipe.globals[d.Name] = d.Value
			}
		}
		x.vars = p.recipe.globals
	}
	return nil
}

// bases fills in the variables after FROM and finds the stages named there: a
// name that no stage above has is that of an image.
func (p *parsing) bases() error {
	left := steps.MaxExpansion
	x := &expander{vars: p.recipe.globals, lex: shell.NewLex(p.escape), left: &left}
	for i := range p.stages {
		s := &p.stages[i]
		var err error
		if s.base, err = x.word(s.from.BaseName); err != nil {
			return p.at(s.node, err)
		}
		if s.base == "" {
			return hint.Wrap(p.at(s.node, fmt.Errorf("FROM %s names nothing; expected an image, a stage or scratch", s.from.BaseName)),
				"give its ARG a default above the first FROM, or a value with --build-arg")
		}
		for earlier := range p.stages[:i] {
			if p.recipe.names[earlier] == s.base {
				s.stage = earlier
			}
		}
		written := s.from.Platform
		if s.from.Platform, err = x.word(written); err == nil && written != "" && s.from.Platform == "" {
			err = fmt.Errorf("--platform=%s names nothing; expected OS/ARCHITECTURE[/VARIANT]", written)
		}
		if err != nil {
			return p.at(s.node, err)
		}
	}
	return nil
}

// target returns the number of the stage that becomes the image.
func (p *parsing) target() (int, error) {
	wanted, names := p.opt.Target, p.recipe.names
	if wanted == "" {
		return len(names) - 1, nil
	}
	for i, name := range slices.Backward(names) {
		if name != "" && strings.EqualFold(name, wanted) {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(wanted); err == nil && n >= 0 && n < len(names) {
		return n, nil
	}
	return 0, hint.New(fmt.Sprintf("%s: no stage %q", p.recipe.Name, wanted), "choose one of %s", p.recipe.stageNames(len(names)))
}

// stageNames lists the first n stages for a reader.
func (r *Recipe) stageNames(n int) string {
	var list []string
	for i, name := range r.names[:n] {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%d %s", i, name)))
	}
	return strings.Join(list, ", ")
}

// at places an error at a node.
func (p *parsing) at(n *parser.Node, err error) error {
	return at(p.recipe.Name, n.StartLine, n.Value, err)
}

// source returns the lines of a node.
func (p *parsing) source(n *parser.Node) string {
	return strings.Join(p.lines[n.StartLine-1:min(n.EndLine, len(p.lines))], "\n")
}
