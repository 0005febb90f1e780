package shares

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/share"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
)

// serverVariable has a process be the server of what tasks share: its value is the key and
// the step, as the process that started it has them, and the listening socket is the descriptor after the standard streams.
const (
	serverVariable = "SEALIFT_SHARE_SERVER"
	serverSocket   = 3
)

// Server is what makes a process the server of what tasks share.
type Server struct {
	key, step string
	listener  *os.File
}

// ServerOf returns what makes this process one, or nil. A process that was to be one and
// cannot fails: as a task it would start a server, which would do the same.
func ServerOf(p *ui.Process) (*Server, error) {
	value := p.Variable(serverVariable)
	if value == "" {
		return nil, nil
	}
	key, step, ok := strings.Cut(value, " ")
	listens, err := unix.GetsockoptInt(serverSocket, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if !ok || err != nil || listens == 0 {
		return nil, hint.New(serverVariable+" is set, and no socket came with it", "unset it: it is for Sealift alone")
	}
	return &Server{key, step, os.NewFile(serverSocket, "listener")}, nil
}

// Serve is the server: it ends with the last task. serve returns what serves the files of a
// container that has what the tasks share mounted (launch.Job.Serve). What a batch system
// sends to every process is for the payloads.
func (g *Group) Serve(ctx context.Context, server *Server, serve func(*spec.Container) func(string, int, []plan.Op) error) error {
	signal.Ignore()
	g.holder.Process.Meet = g.place.Path()
	tasks, err := g.place.NewServer(server.listener)
	if err != nil {
		return err
	}
	held, err := g.held()
	if err != nil {
		return err
	}
	tasks.Serve, tasks.Shows = serve(held), share.Shows(g.c.Plan.Image)
	tasks.Line = func(err error) string { line, _ := g.told(err); return line }
	j := launch.Job{Serve: tasks.Serve, Started: func(pid int) error {
		debug.FreeOSMemory() // what the start took
		err := errors.Join(share.Known(pid, &g.c.Plan, g.place.Mounts()), g.p.LeaveTerminal(), os.Chdir("/"))
		if g.set.Image.Encrypted() {
			err = errors.Join(err, g.p.Conceal()) // this process holds a key, for as long as there are tasks
		}
		if err != nil {
			return err
		}
		return tasks.Answer(pid)
	}}
	var child *launch.Child
	if j.Starter, err = launch.FindStarter(g.p.Executable); err == nil {
		child, err = launch.Start(g.holder.Clone, j)
	}
	ended := make(chan struct{})
	go func() {
		tasks.Run()
		close(ended)
		if child != nil {
			child.Release()
		}
	}()
	if err == nil {
		defer child.Close()
		_, err = child.Run(ctx, g.holder)
	}
	select {
	case <-ended:
		return nil
	default:
	}
	if err == nil {
		err = hint.New("a process was killed that the tasks of this job step share", "start again; --share=off does without")
	}
	tasks.Fail(err)
	<-ended
	_, code := g.told(err)
	return ui.ExitStatus(code)
}

// told is what is printed of an error, and the exit status.
func (g *Group) told(err error) (line string, code int) {
	var b bytes.Buffer
	terminal := g.p.Terminal
	terminal.Err = &b
	code = terminal.Fail(err)
	return b.String(), code
}

// held is the container whose plan is the holder's.
func (g *Group) held() (*spec.Container, error) {
	held := *g.c
	held.Plan, held.Served = *g.holder, slices.Clone(g.c.Served)
	for at, target := range g.targets {
		m, err := g.c.For(target)
		if err != nil {
			return nil, err
		}
		m.Target = at
		held.Served = append(held.Served, m)
	}
	return &held, nil
}
