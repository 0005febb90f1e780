package definition

import "strings"

// word is one word of a %files line: as a pattern, in which what was quoted
// is escaped, and as plain text.
type word struct{ pattern, literal string }

// splitWords splits a line at spaces and tabs. Single quotes, double quotes
// and backslashes quote as in sh(1), but the wildcards * ? [] keep their meaning
// in double quotes, which are the one way to write spaces for the peers; a word
// that is just # begins a comment. It reports false for an unclosed quote.
func splitWords(line string) (words []word, ok bool) {
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		if line[0] == '#' && len(words) > 0 {
			break
		}
		var w word
		if w, line, ok = cutWord(line); !ok {
			return nil, false
		}
		words = append(words, w)
	}
	return words, true
}

// cutWord takes the first word off line.
func cutWord(line string) (w word, rest string, ok bool) {
	var pattern, literal strings.Builder
	quote := byte(0)
	i := 0
	for ; i < len(line); i++ {
		c := line[i]
		quoted, special := quote != 0, metas
		if quote == '"' {
			special = quotedMetas
		}
		switch {
		case !quoted && (c == ' ' || c == '\t'):
			return word{pattern.String(), literal.String()}, line[i:], true
		case !quoted && (c == '"' || c == '\''):
			quote = c
			continue
		case quoted && c == quote:
			quote = 0
			continue
		case c == '\\' && quote != '\'':
			i++
			if i == len(line) {
				return word{}, "", false
			}
			c, quoted, special = line[i], true, metas
		}
		if quoted && strings.IndexByte(special, c) >= 0 {
			pattern.WriteByte('\\')
		}
		pattern.WriteByte(c)
		literal.WriteByte(c)
	}
	return word{pattern.String(), literal.String()}, "", quote == 0
}

// metas are the characters that mean something in a pattern; quotedMetas are
// those of them that do not in double quotes.
const (
	metas       = `*?[]!^-` + quotedMetas
	quotedMetas = `\+@()|{},`
)
