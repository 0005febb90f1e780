package dockerfile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// What operators with patterns may work on in a word, in bytes: their work is
// the product of a value and the word.
const (
	maxOperand = 16 << 10
	maxProduct = 4 << 20
)

// form is a steps.Form: what a step is made from.
type form struct {
	name   string
	node   *parser.Node
	escape rune
	// origins are those of the step's --from or, one each, of its mounts.
	origins []steps.Origin
}

// Place implements steps.Form.
func (f *form) Place(line int, err error) error { return at(f.name, line, f.node.Value, err) }

// Expand implements steps.Form. BuildKit's commands know which of their words
// are expanded, so one is made anew.
func (f *form) Expand(do steps.Instruction, vars map[string]string, left *int) (steps.Instruction, error) {
	x := &expander{vars: vars, lex: shell.NewLex(f.escape), left: left}
	if args, ok := do.(steps.Arg); ok {
		return x.args(args)
	}
	command, err := instructions.ParseInstruction(f.node)
	if err != nil {
		return nil, err
	}
	if err := x.command(command); err != nil {
		return nil, err
	}
	return f.convert(command, true)
}

// isConstant tells that nothing in the words that are expanded is a variable.
func (f *form) isConstant() bool {
	text := f.node.Original
	if strings.EqualFold(f.node.Value, "run") {
		text = strings.Join(mountOptions(f.node), " ")
	} else {
		for _, heredoc := range f.node.Heredocs {
			text += heredoc.Content
		}
	}
	return !strings.Contains(text, "$")
}

// expander replaces variables in words. It is BuildKit's getter of their
// values too, and gives none when too much has been asked for.
type expander struct {
	vars map[string]string
	// any makes every variable "x", to try the grammar of words.
	any bool
	lex *shell.Lex
	// left are the bytes that may be put in, operand those in this word.
	left    *int
	operand int
	over    bool
}

// Get returns the value of a variable.
func (x *expander) Get(name string) (string, bool) {
	value, ok := x.vars[name]
	if x.any {
		value, ok = "x", true
	}
	if len(value) > x.operand || len(value) > *x.left {
		x.over = true
		return "", ok
	}
	x.operand -= len(value)
	*x.left -= len(value)
	return value, ok
}

// Keys returns the names of the variables.
func (x *expander) Keys() []string { return slices.Sorted(maps.Keys(x.vars)) }

// The substitutions by a pattern, and those of them with plain operands. Of
// others a word may have one: within each other their results multiply. They
// are compiled when needed, for the sake of programs that read no Dockerfile.
var (
	substitution = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{[^}:$#%/]*[#%/]`) })
	plain        = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{\w+[#%/][^$}\\]*\}`) })
)

// word expands one word as the shell's grammar has it.
func (x *expander) word(word string) (string, error) { return x.process(x.lex, word) }

// text expands a here-document, in which quotes mean nothing.
func (x *expander) text(text string) (string, error) {
	lex := shell.NewLex(parser.DefaultEscapeToken)
	lex.SkipProcessQuotes = true
	return x.process(lex, text)
}

func (x *expander) process(lex *shell.Lex, word string) (string, error) {
	if err := x.begin(word); err != nil {
		return "", err
	}
	result, _, err := lex.ProcessWord(word, x)
	return result, x.check(err)
}

// begin sets what the word may cost.
func (x *expander) begin(word string) error {
	x.operand = *x.left
	if !substitution().MatchString(word) {
		return nil
	}
	x.operand = min(x.operand, maxOperand, maxProduct/len(word))
	others := len(substitution().FindAllString(plain().ReplaceAllLiteralString(word, ""), -1))
	if all := len(substitution().FindAllString(word, 2)); all > 1 && others > 0 {
		return fmt.Errorf("%q has several patterns with variables; expected at most one in a word", abridged(word))
	}
	return nil
}

func (x *expander) check(err error) error {
	if x.over {
		return fmt.Errorf("variables grow over %d bytes in a stage or, for operators with patterns, over %d in a word",
			steps.MaxExpansion, maxOperand)
	}
	return err
}

// abridged returns the beginning of a long word.
func abridged(word string) string {
	if len(word) > 60 {
		return strings.ToValidUTF8(word[:60], "") + "..."
	}
	return word
}

// command expands a command of BuildKit's in place.
func (x *expander) command(command any) error {
	if c, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		if err := c.Expand(x.word); err != nil {
			return err
		}
	}
	if c, ok := command.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := c.ExpandRaw(x.text); err != nil {
			return err
		}
	}
	if c, ok := command.(*instructions.ExposeCommand); ok {
		return x.ports(c)
	}
	return nil
}

// ports splits the words of EXPOSE again where a value has spaces.
func (x *expander) ports(c *instructions.ExposeCommand) error {
	var ports []string
	for _, port := range c.Ports {
		if err := x.begin(port); err != nil {
			return err
		}
		words, err := x.lex.ProcessWords(port, x)
		if err := x.check(err); err != nil {
			return err
		}
		ports = append(ports, words...)
	}
	c.Ports = ports
	return nil
}

// args expands the defaults, each of which sees the arguments before it.
func (x *expander) args(args steps.Arg) (steps.Arg, error) {
	x.vars = maps.Clone(x.vars)
	if x.vars == nil {
		x.vars = map[string]string{}
	}
	expanded := slices.Clone(args)
	for i, d := range expanded {
		if d.Expand {
			value, err := x.word(d.Value)
			if err != nil {
				return nil, err
			}
			expanded[i].Value, expanded[i].Expand = value, false
		}
		if d.Set {
			x.vars[d.Name] = expanded[i].Value
		}
	}
	return expanded, nil
}
