package actions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/runtime/imagefs"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/starter/plan"
)

// servingGC is the garbage collector's percentage (debug.SetGCPercent) of a
// process that serves an image: it makes little garbage, and its memory is
// taken from the payload.
const servingGC = 30

// settling is how long a start may take without the collection of garbage, which
// takes as long as all else that this process does for it.
const settling = 200 * time.Millisecond

// hurry puts the collection of garbage off. Calling what it returns when the container
// has ended spares it one that did not live long, unless this process goes on.
func hurry(goesOn bool) (ended func()) {
	debug.SetGCPercent(-1)
	t := time.AfterFunc(settling, func() {
		debug.SetGCPercent(servingGC)
		debug.FreeOSMemory()
	})
	return func() {
		if t.Stop() && goesOn {
			debug.SetGCPercent(servingGC)
		}
	}
}

// servingProcs is the least GOMAXPROCS of a process that serves an image. A
// thread that waits for a request keeps its place as long as there is a free
// one; else the runtime takes it away, and looks for it to be needed again,
// with every request.
const servingProcs = 4

// serve serves the files of an image that are mounted on target to the container.
func (s *start) serve(target string, fd int, extra []plan.Op) error {
	if runtime.GOMAXPROCS(0) < servingProcs {
		runtime.GOMAXPROCS(servingProcs)
	}
	m, err := s.plan.For(target)
	if err == nil && len(m.Program) > 0 {
		x := launch.Mounter{Args: m.Program, Env: s.Environ}
		if m.Volume >= 0 {
			x.Name, x.File = s.set.Shown(m).Path(), s.set.Shown(m).File()
			x.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"} // nobody has asked for this program
		}
		return s.mounters.serve(&x, fd)
	}
	var r *squashfs.Reader
	switch {
	case err != nil:
	case m.Volume < 0 && len(s.layers) > 0:
		r = s.layers[m.Layer]
	default:
		r, err = s.set.Reader(m)
	}
	var o imagefs.Options
	if m.Volume < 0 {
		o.Trace = s.trace
		if m.Layer == 0 {
			o.Extra = extra
		}
	}
	if owner := s.plan.Owner; owner != nil && m.InRoot {
		o.Owner = &imagefs.Owner{UID: owner.UID, GID: owner.GID}
	}
	var server *imagefs.Server
	if err == nil {
		server, err = imagefs.New(r, o)
	}
	if err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	if err = server.Serve(fd); err != nil && s.set != nil {
		err = fmt.Errorf("image %s: %w", s.set.Shown(m).Info().Title(filepath.Clean), err)
	}
	return err
}

// fill writes the files of an image that are to be in target to the container.
func (s *start) fill(target string, dir *os.File) error {
	m, err := s.plan.For(target)
	if err != nil {
		return err
	}
	return s.set.Fill(m, dir)
}
