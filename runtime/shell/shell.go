// Package shell evaluates the simple shell scripts that set an image's
// environment, in this process.
//
// Input: variables, script text, and a view of the container's files. Output:
// the variables afterwards. It understands the part of the POSIX shell
// language (XCU 2) in which dash, bash and busybox agree and which needs no
// process: assignments, export, unset, if, case, for, test, and the plain
// parameter expansions. At anything else it stops with ErrNeedsContainer, and
// the caller has the image's own /bin/sh do the work inside the container.
// Scripts are untrusted: the package starts nothing, opens nothing itself,
// never reads the host, and bounds time and memory.
package shell

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// ErrNeedsContainer says that a script does something that only a real shell
// inside the container can do.
var ErrNeedsContainer = errors.New("needs a shell inside the container")

// Bounds on scripts. What exceeds them is left to the real shell, where it
// harms the container only.
const (
	// MaxScript is the largest script in bytes that is evaluated here. It
	// also bounds the depth of nesting, hence of recursion.
	MaxScript = 64 << 10
	maxValue  = 128<<10 - 256 // one string of execve(2), less the name
	maxTotal  = 2 << 20       // all values together, in bytes
	maxText   = 1 << 20       // all scripts together, in bytes
	maxSteps  = 10_000        // statements
	maxDepth  = 8             // files that source one another
)

// Files is the container as the scripts would see it. Both functions take an
// absolute path and return ErrNeedsContainer where it leads out of the image.
type Files interface {
	// Stat returns the type and mode of a file and follows symbolic links.
	Stat(path string) (fs.FileMode, error)
	// Read returns a whole regular file, or an error beyond MaxScript bytes.
	Read(path string) (string, error)
}

// Shell holds variables while scripts run.
type Shell struct {
	files    Files
	vars     map[string]variable
	assigned []string // names in the order of their first assignment
	total    int      // bytes of all values
	text     int      // bytes of all scripts
	script   string   // that is running
	plain    bool     // no name is special
	steps    int
	depth    int
	status   int // of the last statement
}

type variable struct {
	value         string
	set, exported bool
	assigned      bool   // by a script
	origin        string // the script's name, or what Set was told
}

// Variable is a variable, its value, and where that comes from: the name of the
// script that has set it last, or what Set was told.
type Variable struct{ Name, Value, Origin string }

// New returns a Shell whose exported variables are environ, NAME=value.
func New(environ []string, files Files) *Shell {
	s := &Shell{files: files, vars: make(map[string]variable, len(environ))}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		s.vars[name] = variable{value: value, set: true, exported: true}
		s.total += len(value)
	}
	return s
}

// Plain has scripts set whatever variables they like: those that have an effect on
// shells have none here. For texts that no other shell is to evaluate.
func (s *Shell) Plain() *Shell {
	s.plain = true
	return s
}

// Run evaluates a script in the way of the "." command: what it sets stays. The
// name is for errors. A script that cannot be evaluated here, be it that it is
// wrong, returns an error that is ErrNeedsContainer; the variables are then in
// an undefined state.
func (s *Shell) Run(name, text string) error {
	if s.text += len(text); len(text) > MaxScript || s.text > maxText {
		return fmt.Errorf("%s: too long: %w", name, ErrNeedsContainer)
	}
	if strings.ContainsAny(text, "\x00\r") || !utf8.ValidString(text) {
		// Shells keep some of these bytes, and the parser drops them.
		return fmt.Errorf("%s: unusual characters: %w", name, ErrNeedsContainer)
	}
	parser := syntax.NewParser(syntax.Variant(syntax.LangPOSIX))
	file, err := parser.Parse(strings.NewReader(text), name)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNeedsContainer)
	}
	caller := s.script
	s.script = name
	defer func() { s.script = caller }()
	if err := s.block(file.Stmts); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Set sets and exports a variable as it is, whatever its name is.
func (s *Shell) Set(name, value, origin string) error {
	v := s.vars[name]
	s.total += len(value) - len(v.value)
	if len(value) > maxValue || s.total > maxTotal {
		return fmt.Errorf("%s is too large: %w", name, ErrNeedsContainer)
	}
	s.vars[name] = variable{value: value, set: true, exported: true, assigned: v.assigned, origin: origin}
	return nil
}

// export sets and exports a variable for a script.
func (s *Shell) exportValue(name, value string) error {
	err := s.assign(name, value)
	v := s.vars[name]
	v.exported = true
	s.vars[name] = v
	return err
}

// Get returns the value of a variable and whether it is set.
func (s *Shell) Get(name string) (string, bool) {
	v := s.vars[name]
	return v.value, v.set
}

// Exported returns the exported variables, in no order.
func (s *Shell) Exported() []Variable {
	vars := make([]Variable, 0, len(s.vars))
	for name, v := range s.vars {
		if v.set && v.exported {
			vars = append(vars, Variable{name, v.value, v.origin})
		}
	}
	return vars
}

// Assigned returns the variables that scripts have set, exported or not, as
// NAME=value in the order of their first assignment.
func (s *Shell) Assigned() []string {
	var env []string
	seen := map[string]bool{}
	for _, name := range s.assigned {
		if v := s.vars[name]; v.set && !seen[name] {
			seen[name] = true // it was unset in between
			env = append(env, name+"="+v.value)
		}
	}
	return env
}

// assign sets a variable and keeps whether it is exported.
func (s *Shell) assign(name, value string) error {
	v := s.vars[name]
	s.total += len(value) - len(v.value)
	if len(value) > maxValue || s.total > maxTotal {
		return fmt.Errorf("%s is too large: %w", name, ErrNeedsContainer)
	}
	if special(name) && !s.plain {
		return fmt.Errorf("assignment to %s: %w", name, ErrNeedsContainer)
	}
	if !v.assigned {
		s.assigned = append(s.assigned, name)
	}
	s.vars[name] = variable{value, true, v.exported, true, s.script}
	return nil
}

// special names have an effect on the shell, or are read-only in some.
func special(name string) bool {
	switch name {
	case "IFS", "OPTIND", "PWD", "OLDPWD", "UID", "EUID", "PPID", "LINENO", "_":
		return true
	}
	return strings.HasPrefix(name, "BASH")
}

// StartNames are variables that some shells set when they start. To scripts
// they are unset here until something sets them; who has a real shell run the
// same scripts unsets them first.
var StartNames = []string{"SHELL", "TERM", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE", "SHLVL", "OLDPWD",
	"PS1", "PS2", "COLUMNS", "LINES", "MAILCHECK", "OPTERR"}

// volatile names are set by some shell on its own while it runs; scripts that
// read them without setting them must be run by that shell.
func volatile(name string) bool {
	switch name {
	case "PS4", "SHELLOPTS", "RANDOM", "SRANDOM", "SECONDS", "GROUPS", "DIRSTACK", "FUNCNAME",
		"PIPESTATUS", "EPOCHSECONDS", "EPOCHREALTIME", "OPTARG", "HISTCMD":
		return true
	}
	return special(name)
}
