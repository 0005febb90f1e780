// Package fromhost is what a container may have of the host's programs: commands that it may
// call there (--host-cmd), and the host's MPI in the place of its own (--mpi).
//
// Input: flags, an image, a request. Output: more mounts, libraries and variables in the
// request, and a server of commands for as long as the container runs. How commands are run is
// runtime/hostcmd's matter, whether an MPI fits an image runtime/hostmpi's.
package fromhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/runtime/hostcmd"
	"github.com/sealift/sealift/runtime/spec"
)

// place is where a container sees its server.
const place = "/.singularity.d/host"

// A server's directory is where paths are short, as those of sockets have to be.
const parent, prefix = "/tmp", "sealift-host"

// Flags are the flags of a command.
type Flags struct{ names []string }

// Add adds them.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.names, "host-cmd", nil, "let programs inside call these `commands` of the host, such as srun,sbatch; they run outside, as you")
	ui.Bind(flags, "host-cmd", "HOST_CMD")
}

// Commands is what a container is given; nil is nothing.
type Commands struct {
	dir    *output.Dir
	server *hostcmd.Server
}

// Prepare makes what there is to be in the container, and has r show it.
func (f *Flags) Prepare(p *ui.Process, r *spec.Request) (*Commands, error) {
	if len(f.names) == 0 {
		return nil, nil
	}
	if r.Fakeroot {
		return nil, hint.New("--host-cmd and --fakeroot exclude each other: outside nobody is root", "leave one of them out")
	}
	programs, err := hostcmd.Find(f.names, p.Variable("PATH"))
	if err != nil {
		return nil, fmt.Errorf("--host-cmd: %w", err)
	}
	client, err := find(p.Executable)
	if err != nil {
		return nil, err
	}
	_ = output.Sweep(parent, prefix) // others' leftovers must not stop this container
	c := &Commands{}
	if c.dir, err = output.TempDir(parent, prefix); err != nil {
		return nil, err
	}
	if c.server, err = hostcmd.Prepare(c.dir.Path(), programs); err != nil {
		return nil, errors.Join(err, c.dir.Remove())
	}
	if flag := confined(r); flag != "" {
		p.Warn("%s does not hold for %s, which --host-cmd has programs of this container run on the host, as you", flag, strings.Join(f.names, ", "))
	}
	show(r)
	r.Mounts = append(r.Mounts,
		"type=bind,source="+c.dir.Path()+",destination="+place+",ro,nonested",
		fmt.Sprintf("type=bind,\"source=%s\",destination=%s,ro,nonested", strings.ReplaceAll(client, `"`, `""`), filepath.Join(place, hostcmd.ClientName)))
	return c, nil
}

// confined returns the flag that keeps a container from the host, if it has one.
func confined(r *spec.Request) string {
	switch {
	case r.ContainAll:
		return "--containall"
	case r.Compat:
		return "--compat"
	case r.Contain:
		return "--contain"
	}
	return ""
}

// find returns the path of the program that calls a server.
func find(executable string) (path string, err error) {
	for _, dir := range buildcfg.Dirs(executable) {
		path = filepath.Join(dir, buildcfg.HostCommandName)
		if _, err = os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", hint.Wrap(err, "install %s beside the other programs of Sealift", buildcfg.HostCommandName)
}

// variable is how directories get to be the first in PATH, whatever the image sets.
const variable = "PREPEND_PATH="

// show has programs find the commands before others of their names.
func show(r *spec.Request) {
	dir := filepath.Join(place, hostcmd.Commands)
	r.Env = slices.Clone(r.Env) // an instance may be started again by the same request
	for i, kv := range r.Env {
		if rest, ok := strings.CutPrefix(kv, variable); ok {
			r.Env[i] = variable + dir + ":" + rest
			return
		}
	}
	r.Env = append([]string{variable + dir}, r.Env...)
}

// Inside has what joins a container find the commands that this one has.
func Inside(root fs.FS, r *spec.Request) {
	if _, err := fs.Stat(root, strings.TrimPrefix(filepath.Join(place, hostcmd.SocketName), "/")); err == nil {
		show(r)
	}
}

// Serve answers calls from a container whose payload starts with this environment.
func (c *Commands) Serve(p *ui.Process, first []string) {
	if c != nil {
		c.server.Serve(p.Environ, first, p.Cwd)
	}
}

// Close ends the server with what it runs, and removes what was made.
func (c *Commands) Close(p *ui.Process) {
	if c == nil {
		return
	}
	if err := errors.Join(c.server.Close(), c.dir.Remove()); err != nil {
		p.Warn("%v", err)
	}
}
