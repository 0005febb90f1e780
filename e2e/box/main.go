// Command box is an offline root file system: one static binary that is a
// small shell and a few tools, and that can write itself as an OCI archive.
// The demo and the end-to-end tests build images on it where no distribution
// can be downloaded.
//
// Input: argv[0] (or the first argument) names the tool. Output: what the tool
// of that name prints. It knows nothing of Sealift.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// applet is a tool: its arguments without the name, its error.
type applet func(args []string) error

func applets() map[string]applet {
	return map[string]applet{
		"sh": shell, "cat": cat, "chmod": chmod, "cp": cp, "echo": echo, "env": env, "hostname": hostname,
		"id": id, "ls": ls, "mkdir": mkdir, "rm": rm, "sleep": sleep, "touch": touch, "uname": uname,
		"true":        func([]string) error { return nil },
		"false":       func([]string) error { return exitCode(1) },
		"oci-archive": archive,
	}
}

// exitCode is an error that only sets the exit status.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	name, args := strings.TrimPrefix(filepath.Base(os.Args[0]), "-"), os.Args[1:]
	if name == "box" && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	run, ok := applets()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "box: no tool named %q\n", name)
		os.Exit(127)
	}
	err := run(args)
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// shell is sh [-e] [-x] [-c TEXT | FILE] [ARG...].
func shell(args []string) error {
	var opts []string
	text, named := "", false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flag := args[0]
		args = args[1:]
		if strings.HasSuffix(flag, "c") && len(args) > 0 {
			text, named, args = args[0], true, args[1:]
			flag = strings.TrimSuffix(flag, "c")
		}
		for _, c := range strings.TrimPrefix(flag, "-") {
			opts = append(opts, "-"+string(c))
		}
		if named {
			break
		}
	}
	src := os.Stdin
	name := "sh"
	if !named && len(args) > 0 {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		src, name, args = f, args[0], args[1:]
	} else if named && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	runner, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr),
		interp.Params(append(append(opts, "--"), args...)...))
	if err != nil {
		return err
	}
	parser := syntax.NewParser(syntax.Variant(syntax.LangPOSIX))
	if named {
		return runText(runner, parser, text, name)
	}
	return runFile(runner, parser, src, name)
}

func runText(r *interp.Runner, p *syntax.Parser, text, name string) error {
	prog, err := p.Parse(strings.NewReader(text), name)
	if err != nil {
		return err
	}
	return status(r.Run(context.Background(), prog))
}

func runFile(r *interp.Runner, p *syntax.Parser, f *os.File, name string) error {
	if name != "sh" {
		prog, err := p.Parse(f, name)
		if err != nil {
			return err
		}
		return status(r.Run(context.Background(), prog))
	}
	// From standard input each statement runs as soon as it is complete.
	var last error
	for stmt, err := range p.StmtsSeq(f) {
		if err != nil {
			return err
		}
		if last = r.Run(context.Background(), stmt); r.Exited() {
			break
		}
	}
	return status(last)
}

func status(err error) error {
	var code interp.ExitStatus
	if errors.As(err, &code) {
		return exitCode(code)
	}
	return err
}
