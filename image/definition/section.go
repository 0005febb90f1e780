package definition

import (
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Copy is one line of a %files or %appfiles section.
type Copy struct {
	// Source is a shell pattern (* ? [] ** {,} and extended globs) in which a
	// backslash makes the next character literal.
	Source string
	// Dest is the destination, empty when the line names none.
	Dest string
	// Line and Column say where the line's text starts.
	Line, Column int
}

// Files returns the copies of a %files section and the stage they are from,
// which is empty for the host.
func (r *Recipe) Files(s Section) (from string, copies []Copy, err error) {
	if s.Args != "" {
		word, name, _ := strings.Cut(strings.ReplaceAll(s.Args, "\t", " "), " ")
		if from = strings.TrimSpace(name); word != "from" || from == "" {
			return "", nil, r.ErrorAt(s.Line, s.Column, "arguments %q of %%files; expected nothing or \"from STAGE\"", brief(s.Args))
		}
	}
	copies, err = r.copies(s)
	return from, copies, err
}

// copies returns the copies that the lines of a section spell.
func (r *Recipe) copies(s Section) ([]Copy, error) {
	var copies []Copy
	for line := range s.lines() {
		words, open := splitWords(line.text)
		fail := func(offset int, format string, args ...any) error {
			return r.ErrorAt(line.number, line.column+columnAt(line.text, offset)-1, format, args...)
		}
		switch {
		case open >= 0 && line.text[open] == '\\':
			return nil, hint.Wrap(fail(open, "backslash at the end of the line; expected \"source [destination]\""),
				"write each copy on one line")
		case open >= 0:
			return nil, hint.Wrap(fail(open, "unclosed quote; expected \"source [destination]\""),
				"close it, or write a backslash before a quote that is part of a name")
		case len(words) > 2:
			return nil, hint.Wrap(fail(words[2].start, "%d words; expected \"source [destination]\"", len(words)),
				"put quotes around a name with spaces, and write each copy on a line of its own")
		case words[0].literal == "":
			return nil, fail(0, "empty source; expected \"source [destination]\"")
		}
		c := Copy{Source: words[0].pattern, Line: line.number, Column: line.column}
		if len(words) == 2 {
			c.Dest = words[1].literal
		}
		copies = append(copies, c)
	}
	return copies, nil
}

// Label is one line of a %labels or %applabels section.
type Label struct {
	Key, Value string
	Line       int
}

// Labels returns the labels of a section: a key, space, and the rest of the
// line as it is, so that a value may hold # and quotes.
func (s Section) Labels() []Label {
	var labels []Label
	for line := range s.lines() {
		key := line.text
		if i := strings.IndexAny(key, " \t"); i >= 0 {
			key = key[:i]
		}
		value := strings.TrimSpace(line.text[len(key):])
		labels = append(labels, Label{Key: key, Value: value, Line: line.number})
	}
	return labels
}
