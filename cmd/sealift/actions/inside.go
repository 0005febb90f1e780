package actions

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/fromhost"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
)

// InstancePrefix precedes the name of an instance in the place of an image.
const InstancePrefix = "instance://"

// Running is a container that can be joined.
type Running struct {
	Job       launch.Job // with Enter alone
	Root      image.FS   // the container's root directory
	Container spec.Joinable
	Held      identity.Held
}

// Finder finds the instance of a name; release is to be called when it is not needed any
// more.
type Finder func(p *ui.Process, name string) (running *Running, release func(), err error)

// inside does what an action command asks for in a running container.
func inside(c *cobra.Command, p *ui.Process, r *spec.Request, name string, find Finder, a *actionFlags) error {
	if find == nil {
		return ErrParts
	}
	wanted, err := checkInside(p, c.Flags())
	if err != nil {
		return err
	}
	facts, err := host.Probe(host.Inputs{Environ: p.Environ, Cwd: p.Cwd, Terminal: p.Interactive()})
	if err != nil {
		return err
	}
	running, release, err := find(p, name)
	if err != nil {
		return err
	}
	defer release()
	if running.Container.GPU == nil && len(wanted) > 0 {
		p.Warn("%s: the instance %s was started without, and gets no devices or drivers now; stop it, and give that to sealift instance start", strings.Join(wanted, ", "), name)
	}
	fromhost.Inside(running.Root, r)
	joined, err := spec.ComputeJoin(*r, facts, running.Root, running.Container, running.Held)
	if err != nil {
		return err
	}
	for _, note := range joined.Notes {
		p.Info("%s", note)
	}
	if a.show != nil {
		text, err := a.show(joined)
		return errors.Join(err, p.Print(text))
	}
	p.Trace(joined.Plan.String())
	s := start{Process: p, job: running.Job}
	s.job.Stdin, s.job.Stdout, s.job.Stderr = p.Stdin, p.Stdout, p.Stderr
	s.begin(joined.Plan.Clone, facts)
	defer s.close()
	return s.foreground(c.Context(), joined)
}

// inForce are the flags that count in a container that runs already; rights are those
// that would have to confine more than it is; devices ask for what an instance has from
// its start, or not.
var (
	inForce = []string{"app", "cleanenv", "compat", "containall", "cwd", "dry-run", "env", "env-file", "env-keep", "no-env", "no-eval", "no-umask", "pwd", "shell"}
	devices = []string{"device", "intel-gpu", "intel-hpu", "nv", "nvccli", "rdma", "rocm"}
	rights  = []string{"add-caps", "allow-setuid", "drop-caps", "keep-privs", "no-privs", "security"}
)

// checkInside tells of flags on the command line that have no effect, and returns those
// that ask for devices. What a variable sets is for containers that are made.
func checkInside(p *ui.Process, flags *pflag.FlagSet) (wanted []string, err error) {
	var idle []string
	flags.Visit(func(f *pflag.Flag) {
		switch {
		case slices.Contains(rights, f.Name):
			err = hint.New("--"+f.Name+": the rights in a running instance are those that it was started with", "give it to sealift instance start")
		case slices.Contains(devices, f.Name):
			wanted = append(wanted, "--"+f.Name)
		case !slices.Contains(inForce, f.Name):
			idle = append(idle, "--"+f.Name)
		}
	})
	if len(idle) > 0 {
		p.Warn("no effect in an instance that runs already: %s", strings.Join(idle, ", "))
	}
	return wanted, err
}
