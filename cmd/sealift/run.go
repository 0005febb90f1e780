package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/imagefs"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
)

// act does what an action command asks for. The starter is started first, and
// gets ready while the image is opened and the plan computed.
func (p *process) act(ctx context.Context, r *spec.Request, path string, a *actionFlags) error {
	facts, err := host.Probe(host.Inputs{Environ: p.environ, Cwd: p.cwd, SubIDs: r.Fakeroot})
	if err != nil {
		return err
	}
	if a.dryRun {
		return p.printPlan(r, facts, path)
	}
	namespaces, err := spec.Namespaces(*r, facts)
	if err != nil {
		return err
	}
	s := start{process: p, job: launch.Job{Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr}}
	s.begin(namespaces, facts)
	defer s.close()
	if s.img, err = openImage(path, a.imageOptions(facts.MemoryLimit)); err != nil {
		return err
	}
	c, err := spec.Compute(*r, facts, s.img.Info())
	if err != nil {
		return err
	}
	for _, note := range c.Notes {
		p.info("%s", note)
	}
	return s.run(ctx, c)
}

// openImage opens an image for a command that takes files and directories.
func openImage(path string, o image.Options) (*image.File, error) {
	img, err := image.Open(path, o)
	scheme, _, named := strings.Cut(path, ":")
	switch {
	case err != nil && hint.Of(err) == "":
		return nil, hint.Wrap(err, "check the path")
	case !named || !errors.Is(err, fs.ErrNotExist):
		return img, err
	case slices.Contains([]string{"oci", "oci-archive", "docker-archive"}, scheme):
		return nil, hint.Wrap(err, "make a file of it first: sealift build image.sif %s", path)
	case strings.HasPrefix(path, scheme+"://"):
		return nil, hint.Wrap(err, "only files and directories can be run; save the image as a docker-archive or OCI layout and build one from it")
	}
	return nil, err
}

func (p *process) printPlan(r *spec.Request, facts *host.Facts, path string) error {
	img, err := openImage(path, image.Options{})
	if err != nil {
		return err
	}
	defer img.Close()
	c, err := spec.Compute(*r, facts, img.Info())
	if err != nil {
		return err
	}
	return p.print(c.Plan.String())
}

// start is a container on its way.
type start struct {
	*process
	job     launch.Job
	child   *launch.Child
	img     *image.File
	owner   *spec.Owner
	trace   func(file *squashfs.Inode, off, n int64) // is told what is read of the image
	signals chan os.Signal
	sigint  chan os.Signal // a copy of the first SIGINT
	begun   chan error     // delivers the outcome of spawn
	ready   chan struct{}  // closed when signals arrive, if they ever do
}

// begin starts the starter in the background; run waits for it.
func (s *start) begin(namespaces plan.Clone, facts *host.Facts) {
	s.signals, s.sigint = make(chan os.Signal, 16), make(chan os.Signal, 1)
	s.begun, s.ready = make(chan error, 1), make(chan struct{})
	s.job.NewUIDMap, s.job.NewGIDMap = facts.NewUIDMap, facts.NewGIDMap
	s.job.Signals, s.job.Serve = s.signals, s.serve
	go func() {
		defer close(s.ready)
		err := s.spawn(namespaces)
		if s.begun <- err; err == nil {
			signal.Notify(s.signals, launch.Signals()...)
			signal.Notify(s.sigint, syscall.SIGINT)
		}
	}()
}

func (s *start) spawn(namespaces plan.Clone) (err error) {
	if s.job.Starter, err = launch.FindStarter(s.executable); err != nil {
		return err
	}
	s.child, err = launch.Start(namespaces, s.job)
	return err
}

// run runs the container and waits for it; the payload's status is the error
// exitStatus, nil for 0.
func (s *start) run(ctx context.Context, c *spec.Container) error {
	s.owner = c.Owner
	go warm(s.img, c.Plan.Process)
	if err := <-s.begun; err != nil {
		return err
	}
	status, err := s.child.Run(ctx, &c.Plan)
	if err != nil {
		return err
	}
	if status.Code != 0 {
		s.interrupted = status.Code == 128+int(syscall.SIGINT) && arrives(s.sigint)
		return exitStatus(status.Code)
	}
	return nil
}

// arrives says whether a signal came. A terminal sends it to the payload and to
// this process at once, so the payload's end may be known first.
func arrives(signals <-chan os.Signal) bool {
	select {
	case <-signals:
		return true
	case <-time.After(20 * time.Millisecond):
		return false
	}
}

// close ends what is left of the container.
func (s *start) close() {
	<-s.ready
	if s.child != nil {
		s.child.Close()
	}
	signal.Stop(s.signals)
	signal.Stop(s.sigint)
	if s.img != nil {
		s.img.Close()
	}
}

// servingGC is the garbage collector's percentage (debug.SetGCPercent) of a
// process that serves an image: it makes little garbage, and its memory is
// taken from the payload.
const servingGC = 30

// servingProcs is the least GOMAXPROCS of a process that serves an image. A
// thread that waits for a request keeps its place as long as there is a free
// one; else the runtime takes it away, and looks for it to be needed again,
// with every request.
const servingProcs = 4

// serve serves the image's files to the container.
func (s *start) serve(_ string, fd int, extra []plan.Op) error {
	debug.SetGCPercent(servingGC)
	if runtime.GOMAXPROCS(0) < servingProcs {
		runtime.GOMAXPROCS(servingProcs)
	}
	o := imagefs.Options{Extra: extra, Trace: s.trace}
	if s.owner != nil {
		o.Owner = &imagefs.Owner{UID: s.owner.UID, GID: s.owner.GID}
	}
	server, err := imagefs.New(s.img.Squash(), o)
	if err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	return server.Serve(fd)
}

// runScript is the build's Runner.
func (p *process) runScript(ctx context.Context, x build.Exec) error {
	facts, err := host.Probe(host.Inputs{Environ: x.Env, Cwd: x.Dir})
	if err != nil {
		return err
	}
	img, err := image.Open(x.Base, image.Options{})
	if err != nil {
		return err
	}
	c, err := spec.ComputeBuild(spec.BuildRequest{
		Base: img.Info(), Upper: x.Upper, Work: x.Work, Mount: x.Mount,
		Test: x.Test, Args: x.Args, Env: x.Env, Dir: x.Dir,
	}, facts)
	if err != nil {
		return errors.Join(err, img.Close())
	}
	s := start{process: p, img: img, trace: x.Trace, job: launch.Job{Stdout: p.stderr, Stderr: p.stderr}}
	s.begin(c.Plan.Clone, facts)
	defer s.close()
	err = s.run(ctx, c)
	var code exitStatus
	if errors.As(err, &code) {
		return fmt.Errorf("the script failed with exit status %d", int(code))
	}
	return err
}

// interrupted is the end of a command by a signal.
type interrupted struct{ syscall.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("ended by a signal: %v", i.Signal) }

// ExitCode is 128+n.
func (i interrupted) ExitCode() int { return 128 + int(i.Signal) }

// interruptible calls f with a context that the signals which end a program
// cancel. When one did, that is the error, whatever else came of it.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			n, _ := s.(syscall.Signal)
			cancel(interrupted{n})
		case <-ctx.Done():
		}
	}()
	err := f(ctx)
	var by interrupted
	if err != nil && errors.As(context.Cause(ctx), &by) {
		return by
	}
	return err
}

// readUpTo fills b from r and returns how much there was.
func readUpTo(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	return n, err
}
