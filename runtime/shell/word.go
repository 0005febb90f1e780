package shell

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// text is an expanded word.
type text struct {
	value string
	// kept says that the word stays an argument even when it is empty.
	kept bool
}

// fields expands the words of a simple command or a loop.
func (s *Shell) fields(words []*syntax.Word) ([]string, error) {
	var out []string
	for _, w := range words {
		t, err := s.field(w)
		if err != nil {
			return nil, err
		}
		if t.kept || t.value != "" {
			out = append(out, t.value)
		}
	}
	return out, nil
}

// field expands a word where the shell would split it at blanks and look for
// files; a word to which that would happen needs the container.
func (s *Shell) field(w *syntax.Word) (text, error) {
	if lit := w.Lit(); lit == "[" {
		return text{lit, true}, nil
	}
	x := expansion{shell: s, split: true}
	err := x.parts(w.Parts)
	return text{x.b.String(), x.kept}, err
}

// literal expands a word where neither happens, such as an assigned value.
func (s *Shell) literal(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	x := expansion{shell: s}
	err := x.parts(w.Parts)
	return x.b.String(), err
}

// expansion builds one word.
type expansion struct {
	shell  *Shell
	b      strings.Builder
	split  bool // unquoted text would be split and globbed
	quoted bool // inside double quotes
	inner  bool // inside the word of ${name:-word}
	kept   bool
}

func (x *expansion) parts(parts []syntax.WordPart) error {
	for _, part := range parts {
		if err := x.part(part); err != nil {
			return err
		}
		if x.b.Len() > maxValue {
			return needs(part.Pos(), "too large a word")
		}
	}
	return nil
}

func (x *expansion) part(part syntax.WordPart) error {
	switch p := part.(type) {
	case *syntax.Lit:
		return x.lit(p)
	case *syntax.SglQuoted:
		if p.Dollar || (x.quoted && x.inner) {
			return needs(p.Pos(), "quoting")
		}
		x.kept = true
		x.b.WriteString(p.Value)
		return nil
	case *syntax.DblQuoted:
		return x.doubleQuoted(p)
	case *syntax.ParamExp:
		return x.param(p)
	}
	return needs(part.Pos(), "expansion")
}

func (x *expansion) doubleQuoted(p *syntax.DblQuoted) error {
	if p.Dollar {
		return needs(p.Pos(), "quoting")
	}
	was, wasInner := x.quoted, x.inner
	x.quoted, x.inner, x.kept = true, false, true
	defer func() { x.quoted, x.inner = was, wasInner }()
	return x.parts(p.Parts)
}

// lit adds literal text, in which the parser leaves the backslashes.
func (x *expansion) lit(p *syntax.Lit) error {
	const (
		unquotedSpecial = "~$" // home directories; $'' and $"" of some shells
		splitSpecial    = "*?[{"
		escapedInQuotes = "$`\"\\"
	)
	s := p.Value
	if x.inner && strings.ContainsAny(s, `\'`) {
		return needs(p.Pos(), "quoting in a parameter expansion")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && s[i+1] == '\n':
			i++
			continue
		case c == '\\' && i+1 < len(s) && (!x.quoted || strings.IndexByte(escapedInQuotes, s[i+1]) >= 0):
			i++
			c = s[i]
		case x.quoted:
		case strings.IndexByte(unquotedSpecial, c) >= 0, x.split && strings.IndexByte(splitSpecial, c) >= 0:
			return needs(p.Pos(), "unquoted "+strconv.QuoteRune(rune(c)))
		}
		x.b.WriteByte(c)
	}
	return nil
}

// param expands $NAME, ${NAME}, ${#NAME} and the forms with - = + and :.
func (x *expansion) param(p *syntax.ParamExp) error {
	plain := p.Flags == nil && !p.Excl && !p.Width && !p.IsSet && p.Param != nil && p.Index == nil &&
		len(p.Modifiers) == 0 && p.Slice == nil && p.Repl == nil && p.Names == 0 && p.NestedParam == nil
	if !plain || !syntax.ValidName(p.Param.Value) || (p.Length && p.Exp != nil) {
		return needs(p.Pos(), "parameter expansion")
	}
	name := p.Param.Value
	v := x.shell.vars[name]
	if !v.set && volatile(name) {
		return needs(p.Pos(), "$"+name)
	}
	switch {
	case p.Length:
		if !isASCII(v.value) {
			return needs(p.Pos(), "length of text that is not ASCII")
		}
		return x.value(p, strconv.Itoa(len(v.value)))
	case p.Exp != nil:
		return x.operator(p, name, v)
	}
	return x.value(p, v.value)
}

// operator expands ${name OP word}.
func (x *expansion) operator(p *syntax.ParamExp, name string, v variable) error {
	present := v.set
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull, syntax.AlternateUnsetOrNull:
		present = v.value != ""
	}
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull:
		if present {
			return x.value(p, v.value)
		}
		return x.word(p.Exp.Word)
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if present {
			return x.word(p.Exp.Word)
		}
		return nil
	case syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if present {
			return x.value(p, v.value)
		}
		before := x.b.Len()
		if err := x.word(p.Exp.Word); err != nil {
			return err
		}
		return x.shell.assign(name, x.b.String()[before:])
	}
	return needs(p.Pos(), "parameter expansion")
}

// word expands the word after an operator.
func (x *expansion) word(w *syntax.Word) error {
	if w == nil {
		return nil
	}
	was := x.inner
	x.inner = true
	defer func() { x.inner = was }()
	return x.parts(w.Parts)
}

// value adds the value of a parameter.
func (x *expansion) value(p *syntax.ParamExp, value string) error {
	if x.split && !x.quoted && strings.ContainsAny(value, " \t\n*?[\\") {
		return needs(p.Pos(), "unquoted parameter that would be split")
	}
	x.b.WriteString(value)
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
