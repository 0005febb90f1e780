// Package payload decides what a container runs: a command, a script of the
// image or of one of its applications, or a shell.
//
// Input: what the user wants run, and the container's files as they will be.
// Output: a command line, or an error whose exit code is 127 when what was to
// be run is not there. The package starts nothing, and looks at no file but
// through its arguments.
package payload

import (
	"bytes"
	"errors"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/view"
)

// missing is the error that what was to be run is not there.
type missing struct{ error }

// ExitCode is that of shells for a command that they do not find.
func (missing) ExitCode() int { return 127 }

// Unwrap returns the error without the code.
func (m missing) Unwrap() error { return m.error }

// Files are the files of a container.
type Files struct {
	Tree  *view.View // as the container will show them
	Image image.FS   // the image's own
}

// Exec returns the command line of a command, as it is.
func (f Files) Exec(args []string) ([]string, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, hint.New("there is no command to execute", "write sealift exec IMAGE COMMAND [ARGUMENTS]")
	}
	return args, nil
}

// Shell starts program, or, when that is empty, bash without the host user's
// configuration, or sh.
func (f Files) Shell(program string, args []string) ([]string, error) {
	switch {
	case program != "":
		return append([]string{program}, args...), nil
	case f.Tree.IsFile("/bin/bash"):
		return append([]string{"/bin/bash", "--norc"}, args...), nil
	case f.Tree.IsFile("/bin/sh"):
		return append([]string{"/bin/sh"}, args...), nil
	}
	return nil, hint.Wrap(missing{errors.New("the image has no shell")}, "name a program with --shell, or run one with sealift exec")
}

// command runs a script: as a program if it is one, else with the image's
// shell.
func (f Files) command(script string, args []string) []string {
	if mode, _ := f.Tree.Stat(script); mode.Perm()&0o111 == 0 || !f.executable(script) {
		return append([]string{"/bin/sh", script}, args...)
	}
	return append([]string{script}, args...)
}

// executable says whether the kernel would know what to do with a file of the
// image. Shells run scripts without a first line like #!/bin/sh, and images of
// old have such runscripts.
func (f Files) executable(script string) bool {
	at, err := f.Tree.Resolve(script)
	if err != nil || !f.Tree.Original(at.Path) {
		return true // the kernel is going to tell
	}
	file, err := f.Image.Open(view.Relative(at.Path))
	if err != nil {
		return true
	}
	defer file.Close()
	start := make([]byte, 4)
	n, err := io.ReadFull(file, start)
	return err != nil && n == 0 || bytes.HasPrefix(start, []byte("#!")) || string(start) == "\x7fELF"
}
