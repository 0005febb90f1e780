// Package scripts runs the scripts of builds in containers.
//
// Input: what image/build wants run, and the choices of the command line. Output: what
// the scripts print, and an error unless they succeed.
package scripts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/volume"
	"github.com/sealift/sealift/starter/plan"
)

// Choice says how a build runs its scripts.
type Choice struct {
	// Emulation is what root seems to be able to do.
	Emulation identity.Emulation
	// Binds and Mounts are values of --bind and --mount for scripts in
	// containers.
	Binds, Mounts []string
	// WritableTmpfs lets %test change the image, and forgets the changes.
	WritableTmpfs bool
}

// UsualEmulation is the name of the emulation that is chosen by what there is.
const UsualEmulation = string(identity.EmulateAuto)

// Emulate chooses the emulation by its name.
func (s *Choice) Emulate(how string) (err error) {
	s.Emulation, err = identity.ParseEmulation(how)
	return err
}

// Powers tells what the scripts can do here: what the emulation comes to on this
// machine, or the choice where it is not to be had and scripts will fail.
func (s Choice) Powers(p *ui.Process) string {
	mode, err := s.emulated(p)
	if err != nil {
		mode = fmt.Sprintf("%s: %v", s.Emulation, err)
	}
	return fmt.Sprintf("emulation %q, root %t", mode, os.Getuid() == 0)
}

func (s Choice) emulated(p *ui.Process) (string, error) {
	facts, err := host.Probe(host.Inputs{Environ: p.Environ, Cwd: p.Cwd, Notify: true})
	if err != nil {
		return "", err
	}
	id, err := identity.Of(identity.Wish{Fakeroot: true}, facts)
	if err != nil {
		return "", err
	}
	return id.Emulation(s.Emulation, facts)
}

// Runner returns what runs the scripts of a build. All that they print goes to
// Exec.Stdout, in the order in which they print it.
func Runner(p *ui.Process, s Choice) build.Runner {
	return func(ctx context.Context, x build.Exec) error { return runScript(ctx, p, x, s) }
}

func runScript(ctx context.Context, p *ui.Process, x build.Exec, o Choice) (err error) {
	facts, err := host.Probe(host.Inputs{Environ: x.Env, Cwd: x.Dir, Notify: true})
	if err != nil {
		return err
	}
	out, drain, err := stream(x.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drain()) }()
	s := actions.Script{Layers: x.Layers, Trace: x.Trace, Output: out}
	base := image.Info{Kind: image.SquashFS, FS: x.View}
	if x.Base != "" {
		img, err := image.Open(x.Base, image.Options{Key: x.Key})
		if err != nil {
			return err
		}
		base = img.Info()
		s.Set = &volume.Set{Image: img, Info: base}
		base.Arch = "" // the build has made sure that its programs run
	}
	r := spec.BuildRequest{
		Base: base, Bare: x.Bare, NoNetwork: x.NoNetwork, User: (*plan.User)(x.User),
		Layers: len(x.Layers), Upper: x.Upper, Work: x.Work,
		Mount: x.Mount, ReadOnly: x.ReadOnly, Tmp: x.Tmp,
		Test: x.Test, Emulation: o.Emulation, Args: x.Args, Env: x.Env, Dir: x.Dir,
		Binds: o.Binds, Mounts: o.Mounts, BindDir: p.Cwd, WritableTmpfs: x.Test && o.WritableTmpfs,
	}
	for _, m := range x.Mounts {
		r.Attached = append(r.Attached, bind.Attached(m))
	}
	c, err := spec.ComputeBuild(r, facts)
	if err != nil {
		return errors.Join(err, s.Set.Close())
	}
	err = s.Run(ctx, p, c, facts)
	var code ui.ExitStatus
	if errors.As(err, &code) {
		return fmt.Errorf("the script failed with exit status %d", int(code))
	}
	return err
}

// stream returns a file for a container to write to, what reaches w. drain,
// called when the container has ended, waits until all of it did; it fails
// where w does.
func stream(w io.Writer) (f *os.File, drain func() error, err error) {
	if f, ok := w.(*os.File); ok {
		return f, func() error { return nil }, nil
	}
	r, f, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		copied <- errors.Join(err, r.Close()) // who writes on finds nobody
	}()
	return f, func() error { return errors.Join(f.Close(), <-copied) }, nil
}
