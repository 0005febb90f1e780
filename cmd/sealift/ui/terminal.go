package ui

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// All output and every exit of the program is in this file. The rules: results
// go to standard output; everything else goes to standard error behind
// "sealift: "; a message is one line, starts in lower case and has no final
// period; an error may be followed by one hint.

// Exit codes of Sealift's own failures; a payload's own status passes as it is.
const (
	ExitFailure   = 125
	ExitForbidden = 126 // the command is not executable
	ExitNotFound  = 127 // the command was not found
)

// Terminal is where the program talks.
type Terminal struct {
	Out, Err io.Writer
	Quiet    bool // no information
	Silent   bool // no warnings either
	Verbose  bool // details too
	Debug    bool // all that Trace tells too
	NoColor  bool // nothing moves, and nothing is colored
}

// Info tells what is going on.
func (t Terminal) Info(format string, args ...any) {
	if !t.Quiet && !t.Silent {
		fmt.Fprintln(t.Err, "sealift:", Clean(fmt.Sprintf(format, args...)))
	}
}

// Detail tells what is of use when something is not as expected.
func (t Terminal) Detail(format string, args ...any) {
	if t.Verbose || t.Debug {
		fmt.Fprintln(t.Err, "sealift:", Clean(fmt.Sprintf(format, args...)))
	}
}

// Say tells lines that were asked for, or that tell why the payload ended.
func (t Terminal) Say(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintln(t.Err, "sealift:", Clean(strings.TrimSuffix(line, "\n")))
	}
}

// Trace tells each line of a text that is for who looks for a mistake in Sealift.
func (t Terminal) Trace(text string) {
	if t.Debug {
		for line := range strings.Lines(text) {
			fmt.Fprintln(t.Err, "sealift: debug:", Clean(strings.TrimSuffix(line, "\n")))
		}
	}
}

// Warn tells of something that is not as asked.
func (t Terminal) Warn(format string, args ...any) {
	if !t.Silent {
		fmt.Fprintln(t.Err, "sealift: warning:", Clean(fmt.Sprintf(format, args...)))
	}
}

// Print writes a result as it is.
func (t Terminal) Print(text string) error {
	_, err := io.WriteString(t.Out, text)
	return err
}

// PrintJSON prints v as lines of JSON.
func (t Terminal) PrintJSON(v any) error {
	text, err := JSON(v, "  ")
	if err != nil {
		return err
	}
	return t.Print(text)
}

// Buffered calls f with a buffer of results, and writes what is left in it.
func (t Terminal) Buffered(f func(w io.Writer) error) error {
	w := bufio.NewWriterSize(t.Out, 64<<10)
	return Gone(errors.Join(f(w), w.Flush()))
}

// Gone makes an error of a reader that has left a quiet end, with the status
// of the signal that says so.
func Gone(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return ExitStatus(128 + int(syscall.SIGPIPE))
	}
	return err
}

// Fail prints err with its hint and returns the exit code that fits it.
func (t Terminal) Fail(err error) int {
	var quiet ExitStatus
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	fmt.Fprintln(t.Err, "sealift: error:", Clean(err.Error()))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(t.Err, "sealift: hint:", Clean(h))
	}
	return Code(err)
}

// Code returns the exit code that an error is.
func Code(err error) int {
	var quiet ExitStatus
	var coded interface{ ExitCode() int }
	switch {
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return ExitFailure
}

// ExitStatus is an error that sets the exit code and prints nothing: a
// payload's own status.
type ExitStatus int

func (e ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Clean makes text safe for a terminal: what an image or a file name holds may
// be hostile, so control characters are shown escaped.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// Exit ends the program. After an interrupt it dies of the signal: a shell that
// runs a loop or a script stops on that, and goes on after a mere status of 130.
func Exit(code int, interrupted bool) {
	if interrupted {
		signal.Reset(syscall.SIGINT)
		if syscall.Kill(os.Getpid(), syscall.SIGINT) == nil {
			time.Sleep(time.Second) // it takes effect meanwhile
		}
	}
	os.Exit(code)
}
