// Package definition turns the text of a definition file into a Recipe.
//
// Input: the file's bytes and the name to use in messages. Output: the
// stages, their headers and sections, each with its line number, and on
// request the text with its {{ templates }} filled in. It is pure: it opens
// no file, and it decides nothing about what a recipe does — that is
// image/build's.
//
// The grammar is the one Apptainer and SingularityCE share: header lines
// "Keyword: value", then sections that open with a line "%name [arguments]".
// A line that begins with "Bootstrap:" opens a further stage.
package definition

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

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

// Header is one "Keyword: value" line, continuation lines joined by spaces.
type Header struct {
	// Key is the keyword in lower case.
	Key, Value string
	Line       int
}

// Section is one section as written.
type Section struct {
	// Name is the section's name without the percent sign.
	Name string
	// Args is the rest of the opening line without comment and outer space.
	Args string
	// Line is the line of the percent sign; Body starts on the next one.
	Line int
	// Body is the text up to the next section, stage or end of file; every
	// line of it ends with a newline.
	Body string
}

// Error is a mistake in a definition at a known place.
type Error struct {
	// Name is the definition's name; Line and Column count from 1, and a
	// Column of 0 means the whole line.
	Name         string
	Line, Column int
	// Message says what is wrong and what was expected.
	Message string
}

// Error returns "name:line[:column]: message".
func (e *Error) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Message)
}

// Errorf returns an *Error at a line of the recipe.
func (r *Recipe) Errorf(line int, format string, args ...any) error {
	return &Error{Name: r.Name, Line: line, Message: fmt.Sprintf(format, args...)}
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
// in order under the line and arguments of the first.
func (s *Stage) Section(name string) (Section, bool) {
	var joined Section
	var body strings.Builder
	for _, x := range s.Sections {
		if x.Name != name {
			continue
		}
		if joined.Name == "" {
			joined = x
		}
		body.WriteString(x.Body)
	}
	joined.Body = body.String()
	return joined, joined.Name != ""
}

// keywords are the header keywords of the grammar, in lower case; otherurl
// takes a number as well. Which of them an agent uses is image/build's matter.
var keywords = []string{
	"bootstrap", "from", "stage", "registry", "namespace", "library", "fingerprints",
	"include", "mirrorurl", "updateurl", "otherurl", "osversion", "confurl", "setopt",
	"product", "user", "regcode", "productpgp", "registerurl", "modules",
	"frontend", "filename", "target", "buildargs",
}

// sections are the sections that can be built.
var sections = []string{
	"arguments", "pre", "setup", "files", "post", "environment",
	"runscript", "startscript", "test", "labels", "help",
}

// appSections are the sections of the Scientific Filesystem, known by name.
var appSections = []string{
	"appinstall", "appfiles", "appenv", "applabels", "apphelp", "apprun", "appstart", "apptest",
}

// withKnown attaches the list of known names to err.
func withKnown(err error, what string, names []string) error {
	return hint.Wrap(err, "use one of the known %s: %s", what, strings.Join(names, ", "))
}
