package failure

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/plan"
)

// Explain turns the starter's report of a failure into words.
func Explain(p *plan.Plan, r plan.Report) error {
	errno := syscall.Errno(r.Errno)
	switch r.Stage {
	case plan.StageEnter:
		return Entry(enter.Kind(r.Index), errno)
	case plan.StagePlan:
		if errno == syscall.ECONNRESET {
			return hint.New("the process has ended that serves the image to the tasks of this job step", "start again; --share=off does without")
		}
		return fmt.Errorf("the starter does not accept the plan: %w", errno)
	case plan.StageSource, plan.StageOp:
		if r.Index < 0 {
			return fmt.Errorf("the starter's report names no operation: %w", errno)
		}
		op := p.Ops[r.Index]
		return advise(fmt.Errorf("%s: %w", describe(op), errno), r.Stage, op, errno)
	case plan.StageDir:
		dir := "/"
		if len(p.Process.Dirs) > 0 {
			dir = p.Process.Dirs[0]
		}
		return hint.Wrap(fmt.Errorf("enter the working directory %s: %w", dir, errno),
			"name a directory of the container with --pwd")
	case plan.StageMounter:
		return mounterError(p, r.Index, errno)
	case plan.StageFind:
		return notFound(p.Process.Args[0], errno)
	case plan.StageExec:
		return notExecuted(p.Process.Args[0], errno)
	}
	return fmt.Errorf("the starter reports an unknown stage %q: %w", r.Stage, errno)
}

// Entry is that a namespace of a running container could not be entered.
func Entry(k enter.Kind, errno syscall.Errno) error {
	return hint.Wrap(fmt.Errorf("enter the container's %s namespace: %w", k, errno), "the container has ended, or is another user's")
}

// describe says what op does.
func describe(op plan.Op) string {
	a := op.Args
	switch op.Verb {
	case plan.Session:
		return "mount the session directory on " + a[0]
	case plan.Fuse:
		if strings.Contains(a[1], "rw") {
			return "mount a FUSE file system on " + Place(a[0])
		}
		return "mount the image on " + Place(a[0])
	case plan.Fill:
		return "unpack an image to " + Place(a[0])
	case plan.Mount:
		return fmt.Sprintf("mount %s on %s", a[0], Place(a[1]))
	case plan.Bind:
		return fmt.Sprintf("bind %s on %s", a[0], Place(a[1]))
	case plan.Overlay:
		return "mount overlay on " + Place(a[0])
	case plan.Mkdir:
		return "make directory " + Place(a[0])
	case plan.Mkfile:
		return "make file " + Place(a[0])
	case plan.Write:
		return "write " + Place(a[0])
	case plan.Symlink:
		return "make link " + Place(a[0])
	case plan.Umount:
		return "unmount " + Place(a[0])
	case plan.Hostname:
		return "set the host name " + a[0]
	case plan.Pivot:
		return "enter the container's root directory"
	case plan.Emulate:
		return "prepare the emulation of root"
	case plan.Dropcaps, plan.Limitcaps:
		return "drop capabilities"
	case plan.Raisecaps:
		return "add the capabilities " + a[0]
	case plan.Network:
		return "set up the loopback interface"
	case plan.Label:
		return "run under " + a[0] + " " + a[1]
	case plan.Seccomp:
		return "prepare the seccomp filter"
	}
	return op.String()
}

// mounterError is about a program of the container that serves a file system.
func mounterError(p *plan.Plan, index int, errno syscall.Errno) error {
	if index < 0 || index >= len(p.Process.Mounters) {
		return fmt.Errorf("the starter's report names no mounter: %w", errno)
	}
	m := p.Process.Mounters[index]
	if errno == syscall.ENOTCONN {
		return hint.Wrap(fmt.Errorf("mount on %s: %s in the container ended before it served a file system", m.Target, m.Args[0]),
			"see what it says above, or run it in the container by hand; one that goes to the background is of the type container-daemon")
	}
	return hint.Wrap(fmt.Errorf("mount on %s: start %s in the container: %w", m.Target, m.Args[0], errno),
		"check that the image has the program; one of the machine is of the type host")
}

// Place names a target to somebody who does not know of the session directory.
func Place(target string) string {
	if target == "@root" {
		return "/"
	}
	if rest, ok := strings.CutPrefix(target, "@"); ok {
		return rest + " of the session directory"
	}
	return target
}

// notFound is about a command that does not exist, or is none. Programs that start
// containers look for these words, which are those of other container runtimes.
func notFound(name string, errno syscall.Errno) error {
	missing := errno == syscall.ENOENT || errno == syscall.ENOTDIR
	switch {
	case missing && !strings.Contains(name, "/"):
		err := hint.Wrap(fmt.Errorf("%s: executable file not found in $PATH: %w", name, errno),
			"check its name, and PATH inside the container")
		return &Failure{exitNotFound, err}
	case missing:
		err := hint.Wrap(fmt.Errorf("%s: %w", name, errno), "check the path, which is one inside the container")
		return &Failure{exitNotFound, err}
	}
	err := hint.Wrap(fmt.Errorf("%s: %w", name, errno), "make it a regular file with execute permission")
	return &Failure{exitNoExec, err}
}

// notExecuted is about a command that exists: what is missing is the program
// that a #! line or an ELF header names.
func notExecuted(name string, errno syscall.Errno) error {
	code, err := exitNoExec, fmt.Errorf("execute %s: %w", name, errno)
	switch errno {
	case syscall.ENOENT:
		code = exitNotFound
		err = hint.Wrap(fmt.Errorf("execute %s: its interpreter: %w", name, errno),
			"install in the container what its first line, or the program header, names")
	case syscall.ENOEXEC:
		err = hint.Wrap(err, "give a script a first line like #!/bin/sh; a program must be of this machine's architecture")
	case syscall.E2BIG:
		err = hint.Wrap(err, "shorten the arguments or the environment")
	case syscall.EACCES:
		err = hint.Wrap(err, "check the permissions of it and its interpreter, and whether its file system is mounted noexec")
	case syscall.EAGAIN:
		err = hint.Wrap(err, "raise the limit of processes (ulimit -u, --pids-limit)")
	}
	return &Failure{code, err}
}

// Clone is about the start of the starter itself.
func Clone(c plan.Clone, starter string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.ENOENT, syscall.EACCES, syscall.ENOEXEC, syscall.ENOTDIR:
		return hint.Wrap(fmt.Errorf("start %s: %w", starter, err), "reinstall Sealift: its starter is missing or damaged")
	}
	verb := verbClone
	switch {
	case c.User && errno == syscall.EPERM && len(c.UIDs) > 0 && c.UIDs[0].Outside == 0:
		verb = verbCloneRoot
	case c.User:
		verb = verbCloneUser
	}
	return advise(fmt.Errorf("make the container's namespaces: %w", err), plan.StageOp, plan.Op{Verb: verb}, errno)
}
