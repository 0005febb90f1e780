//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sealift builds and runs containers in one file for HPC and batch systems.
//
// It starts containers itself where that takes nothing but an image here. For all else it
// executes sealift-full, with the same arguments: a program that is linked to all that
// builds, registries and signatures need is slower to start than a container.
//
// The Go runtime does not look at its cgroup's processor limit: that would cost
// a tenth of the start-up time, and a program that serves files while a payload
// computes gains nothing from it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/root"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func main() {
	p, err := root.Process()
	if err != nil {
		ui.Exit(p.Fail(err), false)
	}
	code, done := run(p)
	if !done {
		code = p.Fail(errors.Join(p.PassAtDeath(), full(p.Executable)))
	}
	ui.Exit(code, p.Interrupted)
}

// run starts a container, if that is what is asked for and can be done here. If it is not
// done, nothing has happened, and nothing was said.
func run(p *ui.Process) (code int, done bool) {
	var said bytes.Buffer
	terminal, ready := p.Err, false
	p.Err = &said
	speak := func() {
		if !ready {
			ready, p.Err = true, terminal
			_, _ = terminal.Write(said.Bytes()) // as all messages are written
		}
	}
	c := actions.Command(p, root.Verb(p.Args), actions.None{Speak: speak}, nil)
	if c == nil {
		p.Err = terminal
		return 0, false
	}
	top := root.Command(p)
	top.AddCommand(c)
	for _, c := range []*cobra.Command{top, c} { // mistakes, and questions, are for the whole program
		c.SetFlagErrorFunc(func(*cobra.Command, error) error { return actions.ErrParts })
		c.SetHelpFunc(func(*cobra.Command, []string) { done = false })
	}
	done = true
	err := root.Execute(p, top)
	if !done || errors.Is(err, actions.ErrParts) {
		p.Err = terminal
		return 0, false
	}
	speak()
	if err != nil {
		return p.Fail(err), true
	}
	return 0, true
}

// full executes the whole program, beside the file executable or in buildcfg.LibexecDir. It
// returns only when that fails.
func full(executable string) error {
	var errs []error
	for _, dir := range buildcfg.Dirs(executable) {
		path := filepath.Join(dir, buildcfg.FullName)
		err := syscall.Exec(path, os.Args, os.Environ())
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	return hint.Wrap(fmt.Errorf("start the whole program: %w", errors.Join(errs...)), "install %s beside the sealift program", buildcfg.FullName)
}
