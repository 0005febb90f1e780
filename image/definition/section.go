package definition

import (
	"slices"
	"strings"
)

// Copy is one line of a %files section.
type Copy struct {
	// Source is a shell pattern (* ? [] ** {,} and extended globs) in which a
	// backslash makes the next character literal.
	Source string
	// Dest is the destination, empty when the line names none.
	Dest string
	Line int
}

// Files returns the copies of a %files section and the stage they are from,
// which is empty for the host.
func (r *Recipe) Files(s Section) (from string, copies []Copy, err error) {
	if s.Args != "" {
		word, name, _ := strings.Cut(strings.ReplaceAll(s.Args, "\t", " "), " ")
		if from = strings.TrimSpace(name); word != "from" || from == "" {
			return "", nil, r.Errorf(s.Line, "arguments %q of %%files; expected nothing or \"from STAGE\"", brief(s.Args))
		}
	}
	for number, line := range s.lines() {
		words, ok := splitWords(line)
		switch {
		case !ok:
			return "", nil, r.Errorf(number, "unclosed quote; expected \"source [destination]\"")
		case len(words) > 2:
			return "", nil, r.Errorf(number, "%d words; expected \"source [destination]\", with quotes around spaces", len(words))
		case words[0].literal == "":
			return "", nil, r.Errorf(number, "empty source; expected \"source [destination]\"")
		}
		c := Copy{Source: words[0].pattern, Line: number}
		if len(words) == 2 {
			c.Dest = words[1].literal
		}
		copies = append(copies, c)
	}
	return from, copies, nil
}

// Label is one line of a %labels section.
type Label struct {
	Key, Value string
	Line       int
}

// Labels returns the labels of a section: a key, space, and the rest of the
// line as it is, so that a value may hold # and quotes.
func (s Section) Labels() []Label {
	var labels []Label
	for number, line := range s.lines() {
		key := line
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			key = line[:i]
		}
		value := strings.TrimSpace(line[len(key):])
		labels = append(labels, Label{Key: key, Value: value, Line: number})
	}
	return labels
}

// Script is a section that a program interprets.
type Script struct {
	// Shell is the command the section's arguments or first line choose; nil
	// when they choose none. Args are further arguments of that shell.
	Shell, Args []string
	// Body is the text without the #! line.
	Body string
	Line int
}

// Script returns the section of the given name as a script. A first line
// "#!interpreter [argument]" or the arguments "-c shell [argument ...]"
// choose the shell; both at once are a mistake.
func (r *Recipe) Script(stage *Stage, name string) (Script, bool, error) {
	section, ok := stage.Section(name)
	if !ok {
		return Script{}, false, nil
	}
	script := Script{Body: section.Body, Line: section.Line}
	script.Args = strings.Fields(section.Args)
	if i := slices.Index(script.Args, "-c"); i >= 0 {
		script.Shell, script.Args = script.Args[i+1:], script.Args[:i]
		if len(script.Shell) == 0 {
			return Script{}, false, r.Errorf(section.Line, "-c without a shell; expected \"%%%s -c /path/to/shell\"", name)
		}
	}
	line, rest, _ := strings.Cut(strings.TrimLeft(section.Body, " \t\n"), "\n")
	interpreter, shebang := strings.CutPrefix(line, "#!")
	if !shebang {
		return script, true, nil
	}
	if script.Shell != nil {
		return Script{}, false, r.Errorf(section.Line, "%%%s has both -c and a #! line; expected one of them", name)
	}
	if script.Shell = shebangWords(interpreter); script.Shell == nil {
		return Script{}, false, r.Errorf(section.Line, "%%%s has a #! line without an interpreter", name)
	}
	script.Body = rest
	return script, true, nil
}

// Executable returns the text of the file that runs the script: a #! line,
// of /bin/sh when the section chooses no shell, and the body.
func (s Script) Executable() string {
	shell := s.Shell
	if shell == nil {
		shell = []string{"/bin/sh"}
	}
	return "#!" + strings.Join(slices.Concat(shell, s.Args), " ") + "\n" + s.Body
}

// shebangWords splits what follows #! as execve(2) does: the interpreter and
// at most one argument.
func shebangWords(s string) []string {
	program, argument, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(s), "\t", " "), " ")
	if program == "" {
		return nil
	}
	if argument = strings.TrimSpace(argument); argument != "" {
		return []string{program, argument}
	}
	return []string{program}
}

// lines yields the lines of a list section that are neither empty nor a
// comment, trimmed, with their numbers in the file. Several sections joined
// have no common numbering, so callers pass them one at a time.
func (s Section) lines() func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number := s.Line
		for line := range strings.Lines(s.Body) {
			number++
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if !yield(number, line) {
				return
			}
		}
	}
}
