package definition

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Parse reads a definition. name is used in errors, which are of type *Error
// for a mistake in the text. A text of more than MaxSize bytes, or with a NUL
// byte, is refused. Templates are left as they are; see Recipe.Expand.
func Parse(name string, text []byte) (*Recipe, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: definition of %d bytes; expected at most %d", name, len(text), MaxSize)
	}
	clean := unixLines(string(bytes.TrimPrefix(text, []byte("\ufeff"))))
	p := &parser{recipe: &Recipe{Name: name, Text: clean}}
	if i := strings.IndexByte(clean, 0); i >= 0 {
		return nil, p.recipe.Errorf(1+strings.Count(clean[:i], "\n"), "NUL byte; expected text")
	}
	for line := range strings.Lines(clean) {
		p.number++
		if err := p.line(line); err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return p.recipe, nil
}

// unixLines ends every line, the last one too, with a newline that no carriage
// return precedes: what it returned, it leaves as it is.
func unixLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// parser holds the place in the text: in the headers of the last stage, or in
// the body of its last section.
type parser struct {
	recipe *Recipe
	number int
	// body collects the open section's lines; nil in the headers.
	body *strings.Builder
	// continued says that the last header line ended with a backslash; value
	// holds that header's lines so far.
	continued bool
	value     []string
}

// line takes one line, its newline included.
func (p *parser) line(line string) error {
	trimmed := strings.TrimSpace(line)
	switch {
	case p.continued:
		return p.continuation(trimmed)
	case opensStage(line) && p.hasBootstrap():
		return p.openStage(trimmed)
	case strings.HasPrefix(trimmed, "%"):
		return p.openSection(line, trimmed)
	case p.body != nil:
		p.body.WriteString(line)
		return nil
	case trimmed == "" || trimmed[0] == '#':
		return nil
	}
	return p.header(line, trimmed)
}

// opensStage reports whether a line begins with "Bootstrap:" in any case.
func opensStage(line string) bool {
	const word = "bootstrap:"
	return len(line) >= len(word) && strings.EqualFold(line[:len(word)], word)
}

// hasBootstrap reports whether the open stage has its Bootstrap header, so
// that a further one opens another stage.
func (p *parser) hasBootstrap() bool {
	if len(p.recipe.Stages) == 0 {
		return false
	}
	_, ok := p.stage().Header("bootstrap")
	return ok || p.body != nil
}

// stage returns the open stage, which the first header or section makes.
func (p *parser) stage() *Stage {
	if len(p.recipe.Stages) == 0 {
		p.recipe.Stages = append(p.recipe.Stages, Stage{Line: p.number})
	}
	return &p.recipe.Stages[len(p.recipe.Stages)-1]
}

func (p *parser) openStage(trimmed string) error {
	if err := p.closeStage(); err != nil {
		return err
	}
	p.recipe.Stages = append(p.recipe.Stages, Stage{Line: p.number})
	return p.header(trimmed, trimmed)
}

func (p *parser) header(line, trimmed string) error {
	keyword, value, ok := strings.Cut(trimmed, ":")
	keyword = strings.TrimSpace(keyword)
	if !ok {
		return p.fail(line, trimmed, `%q is not a header; expected "Keyword: value", a %%section or a # comment`, brief(trimmed))
	}
	key := strings.ToLower(keyword)
	if key == "includecmd" {
		return p.fail(line, trimmed, "IncludeCmd has no effect in any builder; expected no such header")
	}
	if !knownKeyword(key) {
		return withKnown(p.fail(line, trimmed, "unknown keyword %q; expected a known one", brief(keyword)), "keywords", keywords)
	}
	if _, twice := p.stage().Header(key); twice {
		return p.fail(line, trimmed, "keyword %q a second time; expected each once per stage", keyword)
	}
	p.stage().Headers = append(p.stage().Headers, Header{Key: key, Line: p.number})
	return p.continuation(value)
}

// continuation adds text to the value of the last header. A final backslash
// asks for the next line; a # after a space, or first, starts a comment.
func (p *parser) continuation(text string) error {
	text, commented := cutComment(text)
	if p.continued = !commented && strings.HasSuffix(text, `\`); p.continued {
		text = text[:len(text)-1]
	}
	if text = strings.TrimSpace(text); text != "" {
		p.value = append(p.value, text)
	}
	if p.continued {
		return nil
	}
	h := &p.stage().Headers[len(p.stage().Headers)-1]
	h.Value, p.value = strings.Join(p.value, " "), nil
	if h.Value == "" {
		return p.recipe.Errorf(h.Line, "keyword %q without a value; expected \"Keyword: value\"", h.Key)
	}
	if h.Key == "stage" {
		p.stage().Name = h.Value
	}
	return nil
}

// knownKeyword reports whether key is in the table, or is otherurl with a
// number of one or two digits.
func knownKeyword(key string) bool {
	if digits, ok := strings.CutPrefix(key, "otherurl"); ok {
		return len(digits) <= 2 && strings.Trim(digits, "0123456789") == ""
	}
	return slices.Contains(keywords, key)
}

func (p *parser) openSection(line, trimmed string) error {
	name, args := trimmed[1:], ""
	if i := strings.IndexAny(name, " \t"); i >= 0 {
		name, args = name[:i], name[i+1:]
	}
	if slices.Contains(appSections, name) {
		return withKnown(p.fail(line, trimmed, "section %%%s is not supported yet; expected a definition without applications", name), "sections", sections)
	}
	if !slices.Contains(sections, name) {
		return withKnown(p.fail(line, trimmed, "unknown section %q; expected a known one", brief("%"+name)), "sections", sections)
	}
	args, _ = cutComment(args)
	p.closeSection()
	p.stage().Sections = append(p.stage().Sections, Section{Name: name, Args: args, Line: p.number})
	p.body = &strings.Builder{}
	return nil
}

// closeSection gives the open section its body.
func (p *parser) closeSection() {
	if p.body != nil {
		s := p.stage()
		s.Sections[len(s.Sections)-1].Body = p.body.String()
		p.body = nil
	}
}

// closeStage checks what only a whole stage can tell.
func (p *parser) closeStage() error {
	p.closeSection()
	s := p.stage()
	if _, ok := s.Header("bootstrap"); !ok {
		return p.recipe.Errorf(s.Line, "no Bootstrap header; expected \"Bootstrap: agent\" before the first section")
	}
	return nil
}

func (p *parser) end() error {
	if p.number == 0 {
		p.number = 1
	}
	if p.continued {
		return p.recipe.Errorf(p.number, `end of file after a "\"; expected the rest of the header`)
	}
	return p.closeStage()
}

// fail returns an error at the column where trimmed starts in line.
func (p *parser) fail(line, trimmed, format string, args ...any) error {
	column := 1 + max(0, strings.Index(line, trimmed))
	return &Error{Name: p.recipe.Name, Line: p.number, Column: column, Message: fmt.Sprintf(format, args...)}
}

// cutComment removes a comment and outer space: from a # that is first or
// follows a space or tab.
func cutComment(s string) (text string, commented bool) {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return strings.TrimSpace(s[:i]), true
		}
	}
	return strings.TrimSpace(s), false
}

// brief shortens text of the input for a message.
func brief(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
