package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/tail"
)

// Mounter is a program of the host that serves a FUSE file system of the container.
type Mounter struct {
	// Args is its command line; Args[0] is an absolute path. File, which may be nil, is
	// what plan.MounterFile among them names.
	Args []string
	File *os.File
	// Name, unless empty, is what errors call the file system.
	Name string
	// Env is its environment, NAME=value.
	Env []string

	group atomic.Int64 // of its processes, while it runs
}

// Kill kills the program, if it runs, with all processes of its group.
func (m *Mounter) Kill() {
	if group := m.group.Load(); group > 0 {
		_ = syscall.Kill(int(-group), syscall.SIGKILL) // fails when they have ended
	}
}

// Serve starts the program with the descriptor fd, which it closes, and waits for its
// end. That is no error where it says so itself: then the file system was unmounted,
// as it is when the container has ended, or it goes on in the background. It is killed
// when this process dies.
func (m *Mounter) Serve(fd int) error {
	runtime.LockOSThread() // see Child.fork
	defer runtime.UnlockOSThread()
	says := &tail.Tail{}
	cmd := exec.Command(m.Args[0], m.Args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = m.Env, says, says, lastWords
	dev := os.NewFile(uintptr(fd), "/dev/fuse")
	cmd.ExtraFiles = []*os.File{dev}
	if m.File != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, m.File)
	}
	// A group of its own: keys on the terminal are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err := cmd.Start()
	dev.Close() // while this copy were open, its death would go unnoticed
	if err == nil {
		m.group.Store(int64(cmd.Process.Pid))
		err = cmd.Wait()
		m.group.Store(0)
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	name := path.Base(m.Args[0])
	err = fmt.Errorf("%s: %w%s", name, err, lastLines(says))
	if m.Name != "" {
		err = fmt.Errorf("mount %s: %w", m.Name, err)
	}
	return hint.Wrap(err, "run %s by itself to see what is wrong", name)
}

// lastWords bounds the wait for what a program says after its end: it may have left
// somebody in the background who says nothing more.
const lastWords = 100 * time.Millisecond

// reason returns why nothing serves a file system, which the starter has noticed
// first, or nil where nobody says.
func (c *Child) reason(served <-chan error) error {
	for {
		select {
		case err := <-served:
			if err != nil {
				return imageError(err)
			}
		case <-time.After(patience):
			return nil
		}
	}
}
