package plan

import (
	"strconv"
	"strings"
)

// String returns the printed form of p: the lines of the wire form, one record
// each, with a field in Go's quotes when it is empty or holds anything but
// letters, digits and the punctuation of paths. Equal plans print equally.
func (p *Plan) String() string {
	var b strings.Builder
	for _, r := range records(p) {
		b.WriteString(line(r))
		b.WriteByte('\n')
	}
	return b.String()
}

// String returns the printed form of o, without a final newline.
func (o Op) String() string { return line(o.record()) }

func line(record []string) string {
	var b strings.Builder
	for i, field := range record {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(field))
	}
	return b.String()
}

func quote(s string) string {
	for i := range len(s) {
		if !plain(s[i]) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("@%_+=:,./-", c) >= 0
}
