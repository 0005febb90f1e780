package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/metadata"
)

// String returns the interpreter and the place of the script.
func (c command) String() string {
	return fmt.Sprintf("%s (line %d)", strings.Join(c.args, " "), c.line)
}

// pre runs %pre on the host, before there is a root.
type pre struct {
	at stageRef
	command
}

func (s *pre) String() string { return fmt.Sprintf("%v: %%pre on the host: %v", s.at, s.command) }

func (s *pre) run(ctx context.Context, b *building) error {
	name, err := b.script("pre", s.body)
	if err != nil {
		return err
	}
	args := append(slices.Clone(s.args), name)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = b.Host.Dir, metadata.HostEnvironment(b.Variables), b.Stdout, b.Stderr
	c.WaitDelay = time.Second // a process that the script left must not hold the output up
	// A session of its own makes one target of all that the script started.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return s.failed("pre", s.at, c.Run())
}

// setup runs %setup on the host, where it sees the root as a directory.
type setup struct {
	at stageRef
	command
}

func (s *setup) String() string { return fmt.Sprintf("%v: %%setup on the host: %v", s.at, s.command) }

func (s *setup) run(ctx context.Context, b *building) error {
	name, err := b.script("setup", s.body)
	if err != nil {
		return err
	}
	mount, err := b.workDir("root")
	if err != nil {
		return err
	}
	env := append(metadata.HostEnvironment(b.Variables), metadata.Variables("ROOTFS", mount.Name())...)
	return s.failed("setup", s.at, b.execute(ctx, s.at, Exec{
		Mount: mount.Name(), Args: append(slices.Clone(s.args), name), Dir: b.Host.Dir, Env: env,
	}))
}

// post runs %post in a container.
type post struct {
	at stageRef
	command
}

// postScript is the name of the script in the container's root directory.
const postScript = ".post.script"

func (s *post) String() string { return fmt.Sprintf("%v: %%post: %v", s.at, s.command) }

func (s *post) run(ctx context.Context, b *building) error {
	root, err := b.state(s.at).Mount(ctx)
	if err != nil {
		return err
	}
	root.Private = []string{postScript}
	if err := writeScript(root.Upper.Name(), postScript, s.body); err != nil {
		return err
	}
	return s.failed("post", s.at, b.execute(ctx, s.at, Exec{
		Args: append(slices.Clone(s.args), "/"+postScript), Dir: "/",
		Env: metadata.ScriptEnvironment(b.Variables, b.state(s.at).env),
	}))
}

// execute runs x in the writable root of a stage.
func (b *building) execute(ctx context.Context, at stageRef, x Exec) error {
	root, err := b.state(at).Mount(ctx)
	if err != nil {
		return err
	}
	x.Layers, x.View, x.Upper, x.Work = root.Layers(), root.View, root.Upper.Name(), root.Work
	return b.runner(ctx, x)
}

func (b *building) runner(ctx context.Context, x Exec) error {
	if b.Run == nil {
		return errors.New("the recipe runs scripts and there is no way to run a container")
	}
	x.Stdout, x.Stderr = b.Stdout, b.Stderr
	return b.Run(ctx, x)
}

// failed says which section err comes from.
func (c command) failed(section string, at stageRef, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %%%s of line %d: %w", at, section, c.line, err)
}

// script writes a script of the host to the temporary directory.
func (b *building) script(kind, body string) (string, error) {
	name := b.workPath(kind)
	return name, writeScript(filepath.Dir(name), filepath.Base(name), body)
}

// writeScript makes a new file in dir, through no symbolic link.
func writeScript(dir, name, body string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return errors.Join(err, root.Close())
	}
	_, err = f.WriteString(body)
	return errors.Join(err, f.Close(), root.Close())
}

// test runs %test: on the packed output, or on a stage before the last.
type test struct {
	at     stageRef
	packed bool
}

func (s *test) String() string {
	if s.packed {
		return fmt.Sprintf("%v: %%test on the new image", s.at)
	}
	return fmt.Sprintf("%v: %%test", s.at)
}

func (s *test) run(ctx context.Context, b *building) error {
	x := Exec{Test: true, Dir: "/", Env: metadata.ScriptEnvironment(b.Variables, b.state(s.at).env)}
	switch {
	case !s.packed:
		p, err := b.state(s.at).Pack(ctx)
		if err != nil {
			return err
		}
		x.Base = p.Path
	case b.dir != nil:
		x.Base = b.dir.Path()
	default:
		x.Base = fmt.Sprintf("/proc/self/fd/%d", b.file.File().Fd())
	}
	if err := b.runner(ctx, x); err != nil {
		err = fmt.Errorf("%v: %%test: %w", s.at, err)
		if ctx.Err() != nil {
			return err
		}
		return hint.Wrap(err, "correct the image, or build without its test")
	}
	return nil
}
