package fromdef

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
)

// strict has a shell end with the first command that fails, and show commands.
const strict = "-ex"

// commandLine returns the program that reads a script, and its arguments. The
// peers take a #! line for the comment that it is to their /bin/sh -ex. Here
// the shell that it names is as strict, so that a command that fails ends the
// build either way. What -c names is run as it is written, here and there.
func commandLine(x definition.Script) []string {
	shell := x.Shell
	if shell == nil {
		shell = []string{"/bin/sh", strict}
	} else if x.Shebang {
		// Before an option that ends options.
		if at := slices.IndexFunc(shell, isStrict); at >= 0 {
			shell = slices.Insert(slices.Clone(shell), at+1, strict)
		} else if slices.ContainsFunc(strings.Fields(strings.Join(shell, " ")), isStrict) {
			shell = append(slices.Clone(shell), strict)
		}
	}
	return slices.Concat(shell, x.Args)
}

// isStrict tells the shells that know the options of sh(1p).
func isStrict(word string) bool {
	return slices.Contains([]string{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}, path.Base(word))
}

// reader tells the interpreter and the place of the script.
func (c command) reader() string {
	return fmt.Sprintf("%s (line %d)", strings.Join(c.args, " "), c.line)
}

// Name is build.Step's.
func (c command) Name() string { return c.at.Step(c.section) }

// failed says which section err comes from.
func (c command) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %%%s of line %d: %w", c.at, c.section, c.line, err)
}

// pre runs %pre on the host, before there is a root.
type pre struct{ command }

func (s *pre) String() string {
	return fmt.Sprintf("%v: %%pre on the host: %v", s.at, s.command.reader())
}

func (s *pre) Run(ctx context.Context, b *build.Build) error {
	name, err := b.HostScript("pre", s.body)
	if err != nil {
		return err
	}
	args := append(slices.Clone(s.args), name)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = b.Host.Dir, metadata.HostEnvironment(b.Host.Environ), b.Stdout, b.Stderr
	c.WaitDelay = time.Second // a process that the script left must not hold the output up
	// A session of its own makes one target of all that the script started.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	err = c.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it left a process, and ended well itself
	}
	return s.failed(err)
}

// setup runs %setup on the host, where it sees the root as a directory.
type setup struct{ command }

func (s *setup) String() string {
	return fmt.Sprintf("%v: %%setup on the host: %v", s.at, s.command.reader())
}

// Run always runs the script: nobody can tell what of the host it reads. What
// follows depends on what it leaves.
func (s *setup) Run(ctx context.Context, b *build.Build) error {
	name, err := b.HostScript("setup", s.body)
	if err != nil {
		return err
	}
	mount, err := b.NewDir("root")
	if err != nil {
		return err
	}
	env := append(metadata.HostEnvironment(b.Host.Environ), metadata.Variables("ROOTFS", mount.Name())...)
	err = b.Script(ctx, s.at, "", build.Exec{
		Mount: mount.Name(), Args: append(slices.Clone(s.args), name), Dir: b.Host.Dir, Env: env,
	})
	if err != nil {
		return s.failed(err)
	}
	return b.Keep(ctx, s.at, "setup")
}

// post runs %post in a container.
type post struct{ command }

func (s *post) String() string { return fmt.Sprintf("%v: %%post: %v", s.at, s.command.reader()) }

func (s *post) Run(ctx context.Context, b *build.Build) error {
	image := b.Stage(s.at).Env
	return s.failed(b.ScriptLayer(ctx, s.at, build.Change{
		Kind: "post",
		Identify: func(k *key.Key) error {
			k.Strings("args", s.args).String("script", s.body).Strings("environment", metadata.ScriptEnvironment(nil, image))
			return nil
		},
		Do: func() error {
			return b.Script(ctx, s.at, s.body, build.Exec{
				Args: s.args, Dir: "/", Env: metadata.ScriptEnvironment(b.Host.Environ, image),
			})
		},
	}))
}
