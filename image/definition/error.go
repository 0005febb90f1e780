package definition

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Error is a mistake in a definition at a known place.
type Error struct {
	// Name is the definition's name; Line and Column count from 1, columns in
	// characters, and a Column of 0 means the whole line. In an expanded
	// recipe the columns are those of the expanded lines.
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
	return r.ErrorAt(line, 0, format, args...)
}

// ErrorAt returns an *Error at a line and column of the recipe.
func (r *Recipe) ErrorAt(line, column int, format string, args ...any) error {
	return &Error{Name: r.Name, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// columnAt is the column of the byte at an offset of a line.
func columnAt(line string, offset int) int { return 1 + utf8.RuneCountInString(line[:offset]) }

// brief shortens text of the input for a message.
func brief(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// withKnown attaches to err the name that was probably meant, or else the list
// of all. prefix is what stands before a name where it is written.
func withKnown(err error, what, prefix, found string, names []string) error {
	if near := nearest(strings.ToLower(found), names); near != "" {
		return hint.Wrap(err, "did you mean %s%s?", prefix, near)
	}
	return hint.Wrap(err, "use one of the known %s: %s", what, strings.Join(names, ", "))
}

// nearest returns the name that found, in lower case, is a slip or a beginning
// of, or the empty string. A slip is one letter more, less, different or swapped with its
// neighbour for every three letters, and at least one.
func nearest(found string, names []string) string {
	const longest = 24
	if len(found) < 2 || len(found) > longest {
		return ""
	}
	best, least := "", max(1, len(found)/3)+1
	for _, name := range names {
		if d := distance(found, strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	if best != "" || len(found) < 3 {
		return best
	}
	for _, name := range names {
		if strings.HasPrefix(strings.ToLower(name), found) {
			return name
		}
	}
	return ""
}

// distance is the optimal string alignment distance of a and b, in bytes.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			differ := 1
			if a[i] == b[j] {
				differ = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
