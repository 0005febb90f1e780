package files

import (
	"fmt"
	"strings"
)

// Bounds of what one pattern with braces may be: the patterns that it makes,
// its opening braces, and its length in bytes, PATH_MAX of limits.h(0p).
const (
	maxBraces  = 4096
	maxOpening = 64
	maxLength  = 4096
)

// braces expands the lists {a,b} of a pattern, as bash(1) does under "Brace
// Expansion", from left to right; sequences such as {1..9} stay as they are.
// A backslash keeps the next character from having a meaning.
func braces(source string) ([]string, error) {
	if n := strings.Count(source, "{"); n > maxOpening || n > 0 && len(source) > maxLength {
		return nil, fmt.Errorf("%d braces in %d bytes; expected at most %d in %d", n, len(source), maxOpening, maxLength)
	}
	queue, done := []string{source}, []string(nil)
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		open, parts, end := firstBraces(s)
		if len(parts) < 2 {
			done = append(done, s)
			continue
		}
		expanded := make([]string, len(parts), len(parts)+len(queue))
		for i, part := range parts {
			expanded[i] = s[:open] + part + s[end:]
		}
		if queue = append(expanded, queue...); len(queue)+len(done) > maxBraces {
			return nil, fmt.Errorf("braces stand for more than %d patterns", maxBraces)
		}
	}
	return done, nil
}

// firstBraces finds the first list of braces in s: it opens at open, its parts
// are between that and end. There are fewer than two parts without a list.
func firstBraces(s string) (open int, parts []string, end int) {
	for open = 0; open < len(s); open++ {
		switch s[open] {
		case '\\':
			open++
		case '{':
			if parts, end = alternatives(s, open); len(parts) > 1 {
				return open, parts, end
			}
		}
	}
	return 0, nil, 0
}

// alternatives splits the braces that open at s[open] at the commas that are in no
// braces within. It returns no parts for braces that are not closed.
func alternatives(s string, open int) (parts []string, end int) {
	depth, start := 0, open+1
	for i := open; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '{':
			depth++
		case c == '}' && depth == 1:
			return append(parts, s[start:i]), i + 1
		case c == '}':
			depth--
		case c == ',' && depth == 1:
			parts, start = append(parts, s[start:i]), i+1
		}
	}
	return nil, 0
}
