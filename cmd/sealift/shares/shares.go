// Package shares has the tasks of a job step share containers, as commands that start
// containers want it: whether, with whom, and how.
//
// Input: flags, a container, and the open files that it is made of. Output: a task that has
// become its payload, or the server that tasks share. It decides nothing about what a
// container is like.
package shares

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/job"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/share"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/userdir"
	"github.com/sealift/sealift/runtime/volume"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// Group is the tasks that have a container alike.
type Group struct {
	p       *ui.Process
	c       *spec.Container
	set     *volume.Set
	place   share.Place
	holder  *plan.Plan
	targets map[string]string
	step    string
}

// Of returns the group of a container. options tell apart how its files are opened.
func Of(p *ui.Process, f *Flag, c *spec.Container, set *volume.Set, options ...string) (g *Group, err error) {
	if err := share.Check(&c.Plan); err != nil {
		return nil, hint.Wrap(fmt.Errorf("--share: %w", err), "start with --share=off")
	}
	g = &Group{p: p, c: c, set: set}
	step, node := job.Step(p.Environ)
	switch {
	case f.Server != nil:
		step = f.Server.step
	case step == "":
		step = launcher()
	}
	g.step = step
	id, err := g.identity(options)
	if err != nil {
		return nil, err
	}
	id.Step, id.Node = step, node
	base := userdir.Bases(uint32(os.Getuid()), p.Variable("XDG_RUNTIME_DIR"))[0]
	g.place = share.At(base, id.Key())
	g.holder, g.targets = share.Holder(&c.Plan, g.place.Mounts())
	if f.Server != nil && g.place.Key() != f.Server.key {
		return nil, hint.New("the image, or what this program was started with, has changed meanwhile", "start again")
	}
	return g, nil
}

// identity is what the tasks have alike.
func (g *Group) identity(options []string) (id share.Identity, err error) {
	id = share.Identity{Version: buildcfg.Version, Options: append(options, fmt.Sprint(g.c.Served, g.c.Owner))}
	without, _ := share.Holder(&g.c.Plan, "")
	without.Image = nil // what the image shows besides its files may differ
	wire, err := plan.Encode(without)
	if err != nil {
		return id, err
	}
	id.Plan = string(wire)
	if id.Namespaces, err = share.Here(); err != nil {
		return id, err
	}
	for _, m := range g.c.Served {
		f := g.set.Shown(m)
		var st unix.Stat_t
		if err := unix.Fstat(int(f.File().Fd()), &st); err != nil {
			return id, &os.PathError{Op: "stat", Path: f.Path(), Err: err}
		}
		offset, _ := f.Extent()
		id.Files = append(id.Files, share.File{
			Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Offset: offset,
		})
	}
	return id, nil
}

// launcher names the process that has started the tasks, where no variable names the step.
func launcher() string {
	at, ok := instance.Ancestor(job.Launchers()...)
	if !ok {
		var err error
		if at, err = instance.Find(os.Getppid()); err != nil {
			return ""
		}
	}
	return fmt.Sprint(at)
}

// Member is a task of a group, before it is its payload.
type Member struct {
	*share.Member
	g *Group
	// Starter is the path of the starter, Container what the task starts.
	Starter   string
	Container *spec.Container
	own       []string
}

// NoPlace says that tasks have nowhere to meet, as somebody else is there.
func NoPlace(err error) bool { return errors.Is(err, userdir.ErrNotOurs) }

// Join makes this process a task of the group. It must be closed.
func (g *Group) Join() (*Member, error) {
	starter, err := launch.FindStarter(g.p.Executable)
	if err != nil {
		return nil, err
	}
	m := &Member{g: g, Starter: starter}
	m.Member, err = g.place.Join(g.p.Stderr, func(l *os.File) error { return g.spawn(starter, l) })
	if err != nil {
		return nil, err
	}
	if m.Shows != share.Shows(g.c.Plan.Image) {
		for _, served := range g.c.Served {
			if served.Volume < 0 && served.Layer == 0 {
				m.own = append(m.own, served.Target)
			}
		}
	}
	task := *g.c
	task.Plan = *share.Task(&g.c.Plan, g.place.Mounts(), m.own...)
	m.Container = &task
	return m, nil
}

// spawn executes this program again as the server.
func (g *Group) spawn(starter string, listener *os.File) error {
	args := []string{"sealift-starter", talk.Detach, strconv.Itoa(serverSocket + 1), g.p.Executable, g.p.Name}
	cmd := &exec.Cmd{
		Path: starter, Args: append(args, g.p.Args...), Env: append(slices.Clip(g.p.Environ), serverVariable+"="+g.place.Key()+" "+g.step),
		Stderr: g.p.Stderr, ExtraFiles: []*os.File{listener},
	}
	return cmd.Run()
}

// Become executes the payload in the place of this process. It returns when that fails.
func (m *Member) Become() error {
	if len(m.own) > 0 {
		if err := m.Mount(&m.Container.Plan, m.g.c.Plan.Image); err != nil {
			return err
		}
	}
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	explain := os.NewFile(uintptr(self), "sealift")
	defer explain.Close()
	args := []string{m.g.p.Name, FailedName}
	if m.g.p.NoColor {
		args = []string{m.g.p.Name, "--nocolor", FailedName}
	}
	if err := m.g.p.PassAtDeath(); err != nil {
		return err
	}
	return m.Member.Become(&m.Container.Plan, share.Start{Starter: m.Starter, Explain: explain, Args: args})
}
