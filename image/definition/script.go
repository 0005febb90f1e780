package definition

import (
	"path"
	"slices"
	"strings"
)

// Script is a section that a program interprets.
type Script struct {
	// Shell is the command the section's arguments or first line choose; nil
	// when they choose none. Args are further arguments of that shell.
	Shell, Args []string
	// Shebang says that the first line chose the command.
	Shebang bool
	// Body is the text without the #! line.
	Body string
	// Line is that of the section.
	Line int
}

// Script returns the section of the given name as a script. A first line
// "#!interpreter [argument]", the arguments "-c shell [argument ...]", or
// arguments that start with an absolute path choose the shell; two of these at
// once are a mistake. Other arguments are for /bin/sh or that of the #! line.
func (r *Recipe) Script(stage *Stage, name string) (Script, bool, error) {
	same := stage.named(name)
	if same == nil {
		return Script{}, false, nil
	}
	script, err := r.script(same)
	return script, err == nil, err
}

// script returns sections of one name as one script.
func (r *Recipe) script(sections []Section) (Script, error) {
	s := join(sections)
	script := Script{Body: s.Body, Line: s.Line}
	script.Args = strings.Fields(s.Args)
	if i := slices.Index(script.Args, "-c"); i >= 0 {
		script.Shell, script.Args = script.Args[i+1:], script.Args[:i]
		if len(script.Shell) == 0 {
			return Script{}, r.ErrorAt(s.Line, s.Column, "-c without a shell; expected \"%%%s -c /path/to/shell\"", s.Name)
		}
	} else if len(script.Args) > 0 && path.IsAbs(script.Args[0]) {
		script.Shell, script.Args = script.Args, nil
	}
	line, rest, _ := strings.Cut(strings.TrimLeft(s.Body, " \t\n"), "\n")
	interpreter, shebang := strings.CutPrefix(line, "#!")
	if !shebang {
		return script, nil
	}
	first := firstLine(sections)
	if script.Shell != nil {
		return Script{}, r.ErrorAt(first.number, first.column, "a #! line, and %%%s names the shell %s; expected one of them", s.Name, brief(script.Shell[0]))
	}
	if script.Shell = shebangWords(interpreter); script.Shell == nil {
		return Script{}, r.ErrorAt(first.number, first.column, "#! without an interpreter; expected \"#!/path/to/interpreter\"")
	}
	script.Body, script.Shebang = rest, true
	return script, nil
}

// firstLine returns the first line of sections that is not blank.
func firstLine(sections []Section) textLine {
	for _, s := range sections {
		number := s.Line
		for line := range strings.Lines(s.Body) {
			number++
			if text := strings.TrimSpace(line); text != "" {
				return textLine{text, number, columnAt(line, strings.Index(line, text))}
			}
		}
	}
	return textLine{}
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
