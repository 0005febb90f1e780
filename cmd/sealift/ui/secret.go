package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxSecret bounds a secret in bytes.
const maxSecret = 64 << 10

// AskSecret asks for a line on the terminal that is the standard input, without
// showing it. The terminal is as before when it returns, also after a signal that
// ends ctx.
func (p *Process) AskSecret(ctx context.Context, question string) (secret string, err error) {
	fd := int(p.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", hint.New("there is no password, and the standard input is no terminal to ask for one", "use --password-stdin")
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	silent.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() {
		fmt.Fprintln(p.Err)
		err = errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before))
	}()
	fmt.Fprint(p.Err, question)
	return p.line(ctx)
}

// Ask asks for a line on the standard input, which is shown if that is a
// terminal. At the end of the input it is empty.
func (p *Process) Ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(p.Err, question)
	return p.line(ctx)
}

// AskHidden asks for a line as AskSecret does on a terminal, and takes it from
// any other standard input too.
func (p *Process) AskHidden(ctx context.Context, question string) (string, error) {
	if _, err := unix.IoctlGetTermios(int(p.Stdin.Fd()), unix.TCGETS); err != nil {
		return p.line(ctx)
	}
	return p.AskSecret(ctx, question)
}

// line reads a line of the standard input, or ends with ctx.
func (p *Process) line(ctx context.Context) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := firstLine(p.Stdin)
		read <- result{line, err}
	}()
	select {
	case r := <-read:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// firstLine reads a line, byte by byte as nothing after it is to be taken.
func firstLine(f *os.File) (string, error) {
	var line strings.Builder
	b := make([]byte, 1)
	for line.Len() < maxSecret {
		n, err := f.Read(b)
		if n == 1 && b[0] == '\n' || err == io.EOF {
			return strings.TrimSuffix(line.String(), "\r"), nil
		}
		if err != nil {
			return "", err
		}
		line.Write(b[:n])
	}
	return "", errTooLong
}

var errTooLong = fmt.Errorf("it has more than %d bytes", maxSecret)

// ReadSecret reads the whole standard input, without the end of its last line.
func (p *Process) ReadSecret() (string, error) {
	text, err := io.ReadAll(io.LimitReader(p.Stdin, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = errTooLong
	}
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
