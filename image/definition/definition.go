// Package definition turns the text of a definition file into a Recipe.
//
// Input: the file's bytes and the name to use in messages. Output: the
// stages, their headers and sections, each with its place in the text, what
// the sections spell (files, labels, scripts, applications), and on request
// the text with its {{ templates }} filled in. It is pure: it opens no file,
// and it decides nothing about what a recipe does — that is image/build's.
//
// The grammar is the one Apptainer and SingularityCE share: header lines
// "Keyword: value", then sections that open with a line "%name [arguments]".
// A line that begins with "Bootstrap:" opens a further stage.
package definition

import "strings"

// MaxSize is the largest definition that Parse and Expand accept, in bytes.
const MaxSize = 1 << 20

// Recipe is a parsed definition file.
type Recipe struct {
	// Name is the name given to Parse, as it appears in errors.
	Name string
	// Text is the definition with Unix line ends and no byte order mark.
	Text string
	// Stages are in the order of the file; the last one becomes the image.
	Stages []Stage
}

// Stage is one part of a definition, from its Bootstrap header to the next.
type Stage struct {
	// Name is the value of the Stage header, empty when it has none.
	Name string
	// Line is the first line of the stage, counted from 1.
	Line     int
	Headers  []Header
	Sections []Section
}

// Header is one "Keyword: value" line with its continuation lines. These
// follow a final backslash, after which their outer space is left out; a
// final \n\ makes a line break of the value.
type Header struct {
	// Key is the keyword in lower case.
	Key, Value string
	// Line is that of the keyword; Column is where the value starts there.
	Line, Column int
}

// Section is one section as written.
type Section struct {
	// Name is the section's name in lower case, without the percent sign.
	Name string
	// Args is the rest of the opening line without comment and outer space.
	Args string
	// Line is the line of the percent sign; Body starts on the next one.
	// Column is where Args start there.
	Line, Column int
	// Body is the text up to the next section, stage or end of file; every
	// line of it ends with a newline.
	Body string
}

// Header returns the header with the given lower-case key.
func (s *Stage) Header(key string) (Header, bool) {
	for _, h := range s.Headers {
		if h.Key == key {
			return h, true
		}
	}
	return Header{}, false
}

// Section returns the section of the given name, several of that name joined
// in order. The arguments and the place are those of the first that has
// arguments, or of the first.
func (s *Stage) Section(name string) (Section, bool) {
	same := s.named(name)
	return join(same), len(same) > 0
}

// named returns the sections of a name.
func (s *Stage) named(name string) []Section {
	var same []Section
	for _, x := range s.Sections {
		if x.Name == name {
			same = append(same, x)
		}
	}
	return same
}

// join makes one section of several, as Stage.Section says.
func join(sections []Section) Section {
	var joined Section
	var body strings.Builder
	for i, x := range sections {
		if i == 0 || joined.Args == "" && x.Args != "" {
			joined = Section{Name: x.Name, Args: x.Args, Line: x.Line, Column: x.Column}
		}
		body.WriteString(x.Body)
	}
	joined.Body = body.String()
	return joined
}

// textLine is one line of a section that lists something.
type textLine struct {
	// text has neither outer space nor a newline.
	text string
	// number and column say where text starts.
	number, column int
}

// lines yields the lines of a list section that are neither empty nor a
// comment. Several sections joined have no common numbering, so callers pass
// them one at a time.
func (s Section) lines() func(yield func(textLine) bool) {
	return func(yield func(textLine) bool) {
		number := s.Line
		for line := range strings.Lines(s.Body) {
			number++
			text := strings.TrimSpace(line)
			if text == "" || text[0] == '#' {
				continue
			}
			if !yield(textLine{text, number, columnAt(line, strings.Index(line, text))}) {
				return
			}
		}
	}
}
