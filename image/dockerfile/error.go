package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Error is a mistake in a Dockerfile at a known line.
type Error struct {
	// Name is the file's name; Line counts from 1.
	Name string
	Line int
	// Err says what was found and what was expected.
	Err error
}

// Error returns "name:line: message".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err) }

// Unwrap returns the mistake without its place.
func (e *Error) Unwrap() error { return e.Err }

// usage is how each instruction is written.
var usage = map[string]string{
	"add": "ADD [--chown=USER[:GROUP]] [--chmod=MODE] [--link] [--exclude=PATTERN] [--checksum=DIGEST] [--unpack=true|false]" +
		" SOURCE... DESTINATION",
	"arg": "ARG NAME[=DEFAULT]...",
	"cmd": `CMD ["program", "argument"], or CMD line for the shell`,
	"copy": "COPY [--from=STAGE|IMAGE] [--chown=USER[:GROUP]] [--chmod=MODE] [--link] [--parents] [--exclude=PATTERN]" +
		" SOURCE... DESTINATION",
	"entrypoint": `ENTRYPOINT ["program", "argument"], or ENTRYPOINT line for the shell`,
	"env":        "ENV NAME=VALUE...",
	"expose":     "EXPOSE PORT[-PORT][/tcp|/udp|/sctp]...",
	"from":       "FROM [--platform=OS/ARCHITECTURE] IMAGE|STAGE|scratch [AS NAME]",
	"healthcheck": "HEALTHCHECK [--interval=TIME] [--timeout=TIME] [--start-period=TIME] [--start-interval=TIME] [--retries=N]" +
		" CMD command, or HEALTHCHECK NONE",
	"label":      "LABEL NAME=VALUE...",
	"maintainer": `LABEL org.opencontainers.image.authors="NAME"`,
	"onbuild":    "ONBUILD INSTRUCTION",
	"run": `RUN [--mount=type=bind|cache|tmpfs|secret,...] [--network=default|none|host] line for the shell,` +
		` or RUN [...] ["program", "argument"]`,
	"shell":      `SHELL ["program", "argument"]`,
	"stopsignal": "STOPSIGNAL SIGNAL, a name such as SIGTERM or a number",
	"user":       "USER NAME|UID[:GROUP|GID]",
	"volume":     "VOLUME PATH...",
	"workdir":    "WORKDIR PATH",
}

// known lists the instructions for a reader.
const known = "ADD, ARG, CMD, COPY, ENTRYPOINT, ENV, EXPOSE, FROM, HEALTHCHECK, LABEL, ONBUILD, RUN, SHELL, STOPSIGNAL," +
	" USER, VOLUME or WORKDIR"

// at gives err its place and, if it has no remedy of its own, the way to
// write the instruction in question.
func at(name string, line int, keyword string, err error) error {
	placed := &Error{Name: name, Line: line, Err: decided(err)}
	var unknown *instructions.UnknownInstructionError
	form, has := usage[strings.ToLower(keyword)]
	switch {
	case hint.Of(err) != "":
		return placed
	case errors.As(err, &unknown):
		return hint.Wrap(placed, "begin the line with one of %s", known)
	case has:
		return hint.Wrap(placed, "write it as %s", form)
	}
	return placed
}

// unplaced returns an error of at without what that added.
func unplaced(err error) error {
	var placed *Error
	if errors.As(err, &placed) {
		return placed.Err
	}
	return err
}

// decided returns what err wraps without BuildKit's suggestion of another
// word, which differs from time to time where several are as close.
func decided(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if !strings.Contains(inner.Error(), " (did you mean ") {
			return inner
		}
	}
	return err
}
