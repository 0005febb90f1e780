package steps

import (
	"fmt"
	"strings"

	spec "github.com/moby/docker-image-spec/specs-go/v1"
)

// Command is a program with its arguments, or a line for a shell.
type Command struct {
	// Words are the program and its arguments or, when Shell is set, one line
	// for the shell in force. State.Next puts the shell in front of the line
	// and clears Shell.
	Words []string
	Shell bool
}

// Pair is a name with its value.
type Pair struct{ Name, Value string }

// Declaration is one argument of an ARG.
type Declaration struct {
	Name string
	// Value is the one given or inherited or else the default, which alone may
	// hold variables; Set is false for an argument without any.
	Value  string
	Set    bool
	Expand bool
}

// The instructions that files are no part of, as docs.docker.com/reference/dockerfile
// describes them.
type (
	// Arg puts arguments in scope, in order.
	Arg []Declaration
	// Env sets variables of the image.
	Env []Pair
	// Label sets labels of the image.
	Label []Pair
	// Workdir is the directory of what follows, absolute after State.Next. It
	// comes to be if it is missing, with its parents, in the name of the user.
	Workdir string
	// User is USER[:GROUP], by name or number, of what follows.
	User string
	// Entrypoint is the program that a container runs.
	Entrypoint struct{ Command }
	// Cmd is the default program or, with an entry point, its arguments.
	Cmd struct{ Command }
	// Shell is what runs the lines of further commands.
	Shell []string
	// Expose are ports; PORT/PROTOCOL after State.Next.
	Expose []string
	// Volume are paths for data of containers.
	Volume []string
	// StopSignal is a signal's name or number.
	StopSignal string
	// Healthcheck is how to test a container.
	Healthcheck spec.HealthcheckConfig
	// Onbuild is an instruction for the builds upon this image.
	Onbuild string
	// Maintainer is the author, in Docker's oldest way.
	Maintainer string
)

// String returns `exec [words]`, or `shell "line"`.
func (c Command) String() string {
	if c.Shell {
		return fmt.Sprintf("shell %q", strings.Join(c.Words, " "))
	}
	return fmt.Sprintf("exec %q", c.Words)
}

// String returns the declarations with their values.
func (a Arg) String() string {
	var b strings.Builder
	b.WriteString("arg")
	for _, d := range a {
		b.WriteString(" " + d.Name)
		switch {
		case d.Expand:
			fmt.Fprintf(&b, "=expand(%q)", d.Value)
		case d.Set:
			fmt.Fprintf(&b, "=%q", d.Value)
		}
	}
	return b.String()
}

func pairs(keyword string, list []Pair) string {
	for _, p := range list {
		keyword += fmt.Sprintf(" %s=%q", p.Name, p.Value)
	}
	return keyword
}

// String returns the variables.
func (e Env) String() string { return pairs("env", e) }

// String returns the labels.
func (l Label) String() string { return pairs("label", l) }

// String returns the directory.
func (w Workdir) String() string { return fmt.Sprintf("workdir %q", string(w)) }

// String returns the user.
func (u User) String() string { return fmt.Sprintf("user %q", string(u)) }

// String returns the command.
func (e Entrypoint) String() string { return "entrypoint " + e.Command.String() }

// String returns the command.
func (c Cmd) String() string { return "cmd " + c.Command.String() }

// String returns the words.
func (s Shell) String() string { return fmt.Sprintf("shell %q", []string(s)) }

// String returns the ports.
func (e Expose) String() string { return fmt.Sprintf("expose %q", []string(e)) }

// String returns the paths.
func (v Volume) String() string { return fmt.Sprintf("volume %q", []string(v)) }

// String returns the signal.
func (s StopSignal) String() string { return "stopsignal " + string(s) }

// String returns the instruction.
func (o Onbuild) String() string { return fmt.Sprintf("onbuild %q", string(o)) }

// String returns the author.
func (m Maintainer) String() string { return fmt.Sprintf("maintainer %q", string(m)) }

// String returns the test and the times that are set.
func (h Healthcheck) String() string {
	return fmt.Sprintf("healthcheck %q interval %v timeout %v start-period %v start-interval %v retries %d",
		h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries)
}
