package definition

import "strings"

// word is one word of a %files line: as a pattern, in which what was quoted
// is escaped, and as plain text; start is its offset in the line.
type word struct {
	pattern, literal string
	start            int
}

// splitWords splits a line at spaces and tabs. Single quotes, double quotes
// and backslashes quote as in sh(1), but the wildcards * ? [] keep their meaning
// in double quotes, which are the one way to write spaces for the peers; a word
// that is just # begins a comment. open is the offset of a quote or backslash
// that has no end, -1 for none.
func splitWords(line string) (words []word, open int) {
	for at := skipSpace(line, 0); at < len(line); at = skipSpace(line, at) {
		if line[at] == '#' && len(words) > 0 {
			break
		}
		var w word
		if w, at, open = cutWord(line, at); open >= 0 {
			return nil, open
		}
		words = append(words, w)
	}
	return words, -1
}

// skipSpace returns the offset of the first byte from i on that is no space.
func skipSpace(line string, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

// cutWord takes the word that starts at an offset of line and returns where it
// ends. open is as for splitWords.
func cutWord(line string, start int) (w word, end, open int) {
	var pattern, literal strings.Builder
	quote, quotedAt := byte(0), -1
	i := start
	for ; i < len(line); i++ {
		c := line[i]
		quoted, special := quote != 0, metas
		if quote == '"' {
			special = quotedMetas
		}
		switch {
		case !quoted && (c == ' ' || c == '\t'):
			return word{pattern.String(), literal.String(), start}, i, -1
		case !quoted && (c == '"' || c == '\''):
			quote, quotedAt = c, i
			continue
		case quoted && c == quote:
			quote, quotedAt = 0, -1
			continue
		case c == '\\' && quote != '\'':
			i++
			if i == len(line) {
				return word{}, i, i - 1
			}
			c, quoted, special = line[i], true, metas
		}
		if quoted && strings.IndexByte(special, c) >= 0 {
			pattern.WriteByte('\\')
		}
		pattern.WriteByte(c)
		literal.WriteByte(c)
	}
	return word{pattern.String(), literal.String(), start}, i, quotedAt
}

// metas are the characters that mean something in a pattern; quotedMetas are
// those of them that do not in double quotes.
const (
	metas       = `*?[]!^-` + quotedMetas
	quotedMetas = `\+@()|{},`
)
