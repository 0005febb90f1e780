package definition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
)

// template is a reference to a build argument: {{ name }}.
var template = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`) })

// argumentName is the name of a build argument.
var argumentName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w+$`) })

// Expand returns the recipe with every {{ name }} replaced, outside comment
// lines, by args or else by the default in the same stage's %arguments. A
// default may use other arguments; a value put in is not looked at again. It
// is an error when a name has no value, unless it follows a # as in a comment;
// when a value would change the structure of the definition; and, unless
// allowUnused, when one of args is used nowhere.
func (r *Recipe) Expand(args map[string]string, allowUnused bool) (*Recipe, error) {
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if strings.ContainsAny(args[name], "\n\r\x00") {
			return nil, fmt.Errorf("build argument %s holds a line break or NUL; expected a single line", name)
		}
	}
	x := expander{recipe: r, args: args, used: map[string]bool{}}
	lines := slices.Collect(strings.Lines(r.Text))
	for i := range r.Stages {
		first, end := 0, len(lines)
		if i > 0 {
			first = r.Stages[i].Line - 1
		}
		if i+1 < len(r.Stages) {
			end = r.Stages[i+1].Line - 1
		}
		if err := x.stage(&r.Stages[i], lines[first:end], first+1); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !x.used[name] && !allowUnused {
			return nil, hint.New(fmt.Sprintf("%s: build argument %s is not used", r.Name, name),
				"check its spelling, or allow unused build arguments")
		}
	}
	expanded, err := Parse(r.Name, []byte(x.text.String()))
	if err != nil {
		return nil, fmt.Errorf("with build arguments: %w", err)
	}
	if err := r.sameShape(expanded); err != nil {
		return nil, err
	}
	return expanded, nil
}

type expander struct {
	recipe *Recipe
	args   map[string]string
	used   map[string]bool
	// defaults are those of the stage, size the bytes of their values.
	defaults map[string]*argument
	size     int
	text     strings.Builder
}

// argument is the default of one.
type argument struct {
	// textLine is the default as written.
	textLine
	// value is the default with its templates replaced, if state is known.
	value string
	state int
}

const (
	unknown = iota
	wanted  // its value is being worked out
	known
)

// stage expands the lines of a stage, the first of which has the number first.
func (x *expander) stage(s *Stage, lines []string, first int) error {
	x.defaults, x.size = map[string]*argument{}, 0
	for _, section := range s.Sections {
		if section.Name != "arguments" {
			continue
		}
		for line := range section.lines() {
			if err := x.define(line); err != nil {
				return err
			}
		}
	}
	for i, line := range lines {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "#!") {
			x.text.WriteString(line)
			continue
		}
		expanded, err := x.fill(textLine{line, first + i, 1})
		if err != nil {
			return err
		}
		if x.text.Len()+len(expanded) > MaxSize {
			return x.recipe.Errorf(first+i, "definition grows over %d bytes with its arguments", MaxSize)
		}
		x.text.WriteString(expanded)
	}
	return nil
}

// define notes the default of one %arguments line.
func (x *expander) define(line textLine) error {
	name, text, ok := strings.Cut(line.text, "=")
	if name = strings.TrimSpace(name); !ok || !argumentName().MatchString(name) {
		return x.recipe.ErrorAt(line.number, line.column, "%q; expected \"name=default\" with letters, digits and _ in the name", brief(line.text))
	}
	text = strings.TrimSpace(text)
	line.column += columnAt(line.text, len(line.text)-len(text)) - 1
	line.text = text
	x.defaults[name] = &argument{textLine: line}
	return nil
}

// fill returns the text of a line with its templates replaced.
func (x *expander) fill(line textLine) (string, error) {
	var out strings.Builder
	at, comment := 0, commentStart(line.text)
	for _, m := range template().FindAllStringSubmatchIndex(line.text, -1) {
		name := line.text[m[2]:m[3]]
		fail := func(format string, args ...any) error {
			return x.recipe.ErrorAt(line.number, line.column+columnAt(line.text, m[0])-1, format, args...)
		}
		value, ok, err := x.lookup(name)
		switch {
		case err != nil:
			return "", err
		case !ok && comment < m[0]:
			continue
		case !ok:
			return "", hint.Wrap(fail("undefined argument {{ %s }}", name),
				"give %s a default in %%arguments or a value as a build argument", name)
		}
		out.WriteString(line.text[at:m[0]])
		out.WriteString(value)
		if out.Len() > MaxSize {
			return "", fail("line grows over %d bytes with its arguments", MaxSize)
		}
		at = m[1]
	}
	out.WriteString(line.text[at:])
	return out.String(), nil
}

// lookup returns the value of an argument, and whether it has one.
func (x *expander) lookup(name string) (string, bool, error) {
	x.used[name] = true
	if value, ok := x.args[name]; ok {
		return value, true, nil
	}
	d, ok := x.defaults[name]
	switch {
	case !ok:
		return "", false, nil
	case d.state == known:
		return d.value, true, nil
	case d.state == wanted:
		return "", false, x.recipe.ErrorAt(d.number, d.column, "default of %s uses itself; expected other arguments in it", name)
	}
	d.state = wanted
	var err error
	if d.value, err = x.fill(d.textLine); err != nil {
		return "", false, err
	}
	d.state = known
	if x.size += len(d.value); x.size > MaxSize {
		return "", false, x.recipe.ErrorAt(d.number, d.column, "defaults of arguments grow over %d bytes", MaxSize)
	}
	return d.value, true, nil
}

// sameShape checks that the expanded recipe has the headers and sections of
// the raw one on the same lines, so that no value becomes a section.
func (r *Recipe) sameShape(expanded *Recipe) error {
	raw, got := r.shape(), expanded.shape()
	for i := range min(len(raw), len(got)) {
		if raw[i] != got[i] {
			return r.Errorf(min(raw[i].line, got[i].line), "a build argument adds a header or section; expected values within a line")
		}
	}
	return nil
}

// opening is a line that opens something.
type opening struct {
	line int
	name string
}

// shape lists the headers and sections, and the end.
func (r *Recipe) shape() []opening {
	var list []opening
	for _, s := range r.Stages {
		for _, h := range s.Headers {
			list = append(list, opening{h.Line, h.Key + ":"})
		}
		for _, x := range s.Sections {
			list = append(list, opening{x.Line, "%" + x.Name})
		}
	}
	return append(list, opening{strings.Count(r.Text, "\n") + 1, ""})
}
