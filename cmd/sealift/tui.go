package main

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
	exitFailure   = 125
	exitForbidden = 126 // the command is not executable
	exitNotFound  = 127 // the command was not found
)

// tui is where the program talks.
type tui struct {
	out, err io.Writer
	quiet    bool // no information
	silent   bool // no warnings either
}

// info tells what is going on.
func (t tui) info(format string, args ...any) {
	if !t.quiet && !t.silent {
		fmt.Fprintln(t.err, "sealift:", clean(fmt.Sprintf(format, args...)))
	}
}

// warn tells of something that is not as asked.
func (t tui) warn(format string, args ...any) {
	if !t.silent {
		fmt.Fprintln(t.err, "sealift: warning:", clean(fmt.Sprintf(format, args...)))
	}
}

// print writes a result as it is.
func (t tui) print(text string) error {
	_, err := io.WriteString(t.out, text)
	return err
}

// buffered calls f with a buffer of results, and writes what is left in it.
func (t tui) buffered(f func(w io.Writer) error) error {
	w := bufio.NewWriterSize(t.out, 64<<10)
	return gone(errors.Join(f(w), w.Flush()))
}

// gone makes an error of a reader that has left a quiet end, with the status
// of the signal that says so.
func gone(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return exitStatus(128 + int(syscall.SIGPIPE))
	}
	return err
}

// fail prints err with its hint and returns the exit code that fits it.
func (t tui) fail(err error) int {
	var quiet exitStatus
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	fmt.Fprintln(t.err, "sealift: error:", clean(err.Error()))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(t.err, "sealift: hint:", clean(h))
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return exitFailure
}

// exitStatus is an error that sets the exit code and prints nothing: a
// payload's own status.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// clean makes text safe for a terminal: what an image or a file name holds may
// be hostile, so control characters are shown escaped.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// exit ends the program. After an interrupt it dies of the signal: a shell that
// runs a loop or a script stops on that, and goes on after a mere status of 130.
func exit(code int, interrupted bool) {
	if interrupted {
		signal.Reset(syscall.SIGINT)
		if syscall.Kill(os.Getpid(), syscall.SIGINT) == nil {
			time.Sleep(time.Second) // it takes effect meanwhile
		}
	}
	os.Exit(code)
}
