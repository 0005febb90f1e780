package definition

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Parse reads a definition. name is used in errors, which are of type *Error
// for a mistake in the text. A text of more than MaxSize bytes, or with a NUL
// byte, is refused. Templates are left as they are; see Recipe.Expand.
func Parse(name string, text []byte) (*Recipe, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: definition of %d bytes; expected at most %d", name, len(text), MaxSize)
	}
	clean := unixLines(string(bytes.TrimPrefix(text, []byte("\ufeff"))))
	p := &parser{recipe: &Recipe{Name: name, Text: clean}, arguments: map[string]Section{}}
	for line := range strings.Lines(clean) {
		p.number++
		if i := strings.IndexByte(line, 0); i >= 0 {
			return nil, p.fail(line, i, "NUL byte; expected text")
		}
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
	// continued is the column of the backslash that the last header line ended
	// with, 0 for none; value holds that header's lines so far.
	continued int
	value     strings.Builder
	// arguments are the first ones of each script of the stage.
	arguments map[string]Section
}

// line takes one line, its newline included.
func (p *parser) line(line string) error {
	trimmed := strings.TrimSpace(line)
	switch {
	case p.continued > 0:
		return p.continuation(line, strings.Index(line, trimmed))
	case opensStage(line) && p.hasBootstrap():
		return p.openStage(line)
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

func (p *parser) openStage(line string) error {
	if err := p.closeStage(); err != nil {
		return err
	}
	clear(p.arguments)
	p.recipe.Stages = append(p.recipe.Stages, Stage{Line: p.number})
	return p.header(line, strings.TrimSpace(line))
}

func (p *parser) header(line, trimmed string) error {
	start := strings.Index(line, trimmed)
	keyword, _, ok := strings.Cut(trimmed, ":")
	if !ok {
		return withHeader(p.fail(line, start, `%q is not a header; expected "Keyword: value", a %%section or a # comment`, brief(trimmed)), trimmed)
	}
	colon := start + len(keyword)
	keyword = strings.TrimSpace(keyword)
	key := strings.ToLower(keyword)
	if key == "includecmd" {
		return hint.Wrap(p.fail(line, start, "IncludeCmd has no effect in any builder; expected no such header"), "remove the line")
	}
	if key == "" {
		return p.fail(line, start, `nothing before the colon; expected "Keyword: value"`)
	}
	if !knownKeyword(key) {
		err := p.fail(line, start, "unknown keyword %q; expected a known one", brief(keyword))
		if strings.Contains(keyword, " ") {
			return withHeader(err, trimmed)
		}
		return withKnown(err, "keywords", "", keyword, keywords)
	}
	if first, twice := p.stage().Header(key); twice {
		return p.fail(line, start, "keyword %q a second time, after line %d; expected each once per stage", keyword, first.Line)
	}
	value := colon + 1 + len(line[colon+1:]) - len(strings.TrimLeft(line[colon+1:], " \t"))
	p.stage().Headers = append(p.stage().Headers, Header{Key: key, Line: p.number, Column: columnAt(line, value)})
	return p.continuation(line, value)
}

// withHeader attaches what a line without a colon after its first word was
// probably meant as.
func withHeader(err error, text string) error {
	word, rest, _ := strings.Cut(text, " ")
	key := strings.ToLower(word)
	switch {
	case knownKeyword(key) && rest != "":
		return hint.Wrap(err, "did you mean %q?", brief(word+": "+strings.TrimLeft(rest, "= ")))
	case slices.Contains(sections, key) || slices.Contains(appSections, key):
		return hint.Wrap(err, "did you mean %%%s?", key)
	}
	return err
}

// continuation adds what line holds from an offset on to the value of the last
// header. A final backslash asks for the next line, one after \n for a line
// break too; a # after a space, or first, starts a comment.
func (p *parser) continuation(line string, from int) error {
	text, commented := cutComment(line[from:])
	more := !commented && strings.HasSuffix(text, `\`)
	p.continued = 0
	if more {
		text = text[:len(text)-1]
		p.continued = columnAt(line, strings.LastIndexByte(line, '\\'))
		if lines, ok := strings.CutSuffix(text, `\n`); ok {
			text = lines + "\n"
		}
	}
	p.value.WriteString(text)
	if more {
		return nil
	}
	h := &p.stage().Headers[len(p.stage().Headers)-1]
	h.Value = strings.TrimSpace(p.value.String())
	p.value.Reset()
	if h.Value == "" {
		return p.recipe.ErrorAt(h.Line, h.Column, "keyword %q without a value; expected \"Keyword: value\"", h.Key)
	}
	if h.Key == "stage" {
		p.stage().Name = h.Value
	}
	return nil
}

func (p *parser) openSection(line, trimmed string) error {
	start := strings.Index(line, trimmed)
	word, args := trimmed, ""
	if i := strings.IndexAny(trimmed, " \t"); i >= 0 {
		word, args = trimmed[:i], trimmed[i:]
	}
	s := Section{Name: strings.ToLower(word[1:]), Line: p.number}
	s.Args, _ = cutComment(args)
	s.Column = columnAt(line, start+len(word))
	if s.Args != "" {
		s.Column = columnAt(line, start+len(word)+strings.Index(args, s.Args))
	}
	isApp := slices.Contains(appSections, s.Name)
	if !isApp && !slices.Contains(sections, s.Name) {
		return withSection(p.fail(line, start, "unknown section %q; expected a known one", brief(word)), s.Name)
	}
	if isApp && s.Args == "" {
		return p.recipe.ErrorAt(s.Line, s.Column, "section %s without a name; expected \"%s NAME\", with the name of an application", word, word)
	}
	p.closeSection()
	if err := p.sameArguments(s); err != nil {
		return err
	}
	p.stage().Sections = append(p.stage().Sections, s)
	p.body = &strings.Builder{}
	return nil
}

// withSection attaches what an unknown section was probably meant as.
func withSection(err error, name string) error {
	known := slices.Concat(sections, appSections)
	if near := nearest(strings.Trim(name, "%:"), known); near != "" {
		return hint.Wrap(err, "did you mean %%%s?", near)
	}
	return hint.Wrap(err, "use one of the known sections: %s; a line within one cannot start with %%", strings.Join(known, ", "))
}

// scripts are the sections whose arguments choose how they are run.
var scripts = []string{"pre", "setup", "post", "runscript", "startscript", "test"}

// sameArguments checks that a script in several sections has one way to run.
func (p *parser) sameArguments(s Section) error {
	if s.Args == "" || !slices.Contains(scripts, s.Name) {
		return nil
	}
	before, ok := p.arguments[s.Name]
	if !ok {
		p.arguments[s.Name] = s
	} else if before.Args != s.Args {
		return p.recipe.ErrorAt(s.Line, s.Column, "%%%s a second time with other arguments than on line %d; expected %q or none",
			s.Name, before.Line, brief(before.Args))
	}
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
	if p.continued > 0 {
		return p.recipe.ErrorAt(p.number, p.continued, `end of file after a "\"; expected the rest of the header`)
	}
	return p.closeStage()
}

// fail returns an error at a byte of the line.
func (p *parser) fail(line string, offset int, format string, args ...any) error {
	return p.recipe.ErrorAt(p.number, columnAt(line, offset), format, args...)
}

// cutComment removes a comment and outer space.
func cutComment(s string) (text string, commented bool) {
	end := commentStart(s)
	return strings.TrimSpace(s[:end]), end < len(s)
}

// commentStart returns the offset of the comment of a line, or its length: a
// comment is from a # that is first or follows a space or tab.
func commentStart(s string) int {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return i
		}
	}
	return len(s)
}
