package plan

import "strings"

// escaped follows the mode of a Write whose content has NUL bytes, which no argument
// can have: in it \0 is a NUL and \\ a backslash.
const escaped = ",escaped"

// WriteFile returns a Write of any content. The mode is octal.
func WriteFile(target, mode, content string) Op {
	if strings.IndexByte(content, 0) >= 0 {
		mode += escaped
		content = strings.ReplaceAll(strings.ReplaceAll(content, `\`, `\\`), "\x00", `\0`)
	}
	return Do(Write, target, mode, content)
}

// Content returns what the arguments MODE and CONTENT of a Write mean.
func Content(mode, content string) (octal, bytes string) {
	octal, is := strings.CutSuffix(mode, escaped)
	if !is {
		return mode, content
	}
	out := make([]byte, 0, len(content))
	for i := 0; i < len(content); i++ {
		c := content[i]
		if c == '\\' && i+1 < len(content) {
			i++
			if c = content[i]; c == '0' {
				c = 0
			}
		}
		out = append(out, c)
	}
	return octal, string(out)
}
