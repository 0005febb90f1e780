package definition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// template is a reference to a build argument: {{ name }}.
var template = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// argument is the name of a build argument.
var argument = regexp.MustCompile(`^\w+$`)

// Expand returns the recipe with every {{ name }} replaced, outside comment
// lines, by args or else by the default in the same stage's %arguments. A
// default may use the arguments above it; a value put in is not looked at
// again. It is an error when a name has no value, when a value would change
// the structure of the definition, and, unless allowUnused, when one of args
// is used nowhere.
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
	// defaults counts the bytes of the stage's defaults.
	defaults int
	text     strings.Builder
}

// stage expands the lines of a stage, the first of which has the number first.
func (x *expander) stage(s *Stage, lines []string, first int) error {
	values := map[string]string{}
	x.defaults = 0
	for _, section := range s.Sections {
		if section.Name != "arguments" {
			continue
		}
		for number, line := range section.lines() {
			if err := x.define(values, number, line); err != nil {
				return err
			}
		}
	}
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			x.text.WriteString(line)
			continue
		}
		expanded, err := x.line(line, first+i, values)
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

// define adds the default of one %arguments line to values.
func (x *expander) define(values map[string]string, number int, line string) error {
	name, value, ok := strings.Cut(line, "=")
	if name = strings.TrimSpace(name); !ok || !argument.MatchString(name) {
		return x.recipe.Errorf(number, "%q; expected \"name=default\" with letters, digits and _ in the name", brief(line))
	}
	value, err := x.line(strings.TrimSpace(value), number, values)
	if x.defaults += len(value); x.defaults > MaxSize {
		return x.recipe.Errorf(number, "defaults of arguments grow over %d bytes", MaxSize)
	}
	values[name] = value
	return err
}

// line returns text with its templates replaced.
func (x *expander) line(text string, number int, values map[string]string) (string, error) {
	var out strings.Builder
	for {
		at := template.FindStringSubmatchIndex(text)
		if at == nil {
			out.WriteString(text)
			return out.String(), nil
		}
		name := text[at[2]:at[3]]
		value, ok := x.args[name]
		if x.used[name] = true; !ok {
			value, ok = values[name]
		}
		if !ok {
			return "", hint.Wrap(x.recipe.Errorf(number, "undefined argument {{ %s }}", name),
				"give %s a default in %%arguments or a value as a build argument", name)
		}
		out.WriteString(text[:at[0]])
		out.WriteString(value)
		if out.Len() > MaxSize {
			return "", x.recipe.Errorf(number, "line grows over %d bytes with its arguments", MaxSize)
		}
		text = text[at[1]:]
	}
}

// sameShape checks that the expanded recipe has the headers and sections of
// the raw one on the same lines, so that no value becomes a section.
func (r *Recipe) sameShape(expanded *Recipe) error {
	if !slices.EqualFunc(r.Stages, expanded.Stages, func(a, b Stage) bool {
		return slices.EqualFunc(a.Headers, b.Headers, func(a, b Header) bool { return a.Key == b.Key && a.Line == b.Line }) &&
			slices.EqualFunc(a.Sections, b.Sections, func(a, b Section) bool { return a.Name == b.Name && a.Line == b.Line })
	}) {
		return fmt.Errorf("%s: a build argument adds a header or section; expected values within a line", r.Name)
	}
	return nil
}
