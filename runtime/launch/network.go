package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/tail"
	"github.com/sealift/sealift/starter/plan"
)

// enterNet has this thread, and those that it starts, be in the network
// namespace whose file path is (setns(2)).
func enterNet(path string) error {
	const remedy = "name the file of a network namespace, such as /run/netns/NAME, as root"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return hint.Wrap(fmt.Errorf("network namespace %s: %w", path, err), remedy)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return hint.Wrap(fmt.Errorf("enter network namespace %s: %w", path, err), remedy)
	}
	return nil
}

// helperPatience bounds the wait for a network: some ms are usual, and on a
// loaded machine a second.
const helperPatience = 30 * time.Second

// connector is the program that connects a container's network with the outside. It
// is a child of this process, and is killed when this process dies: entering the
// namespaces of one's own child leaves the parent-death signal
// (PR_SET_PDEATHSIG(2const)) as it is.
type connector struct {
	name    string
	exit    io.Closer     // closed to end it
	ended   chan struct{} // closed when it has ended
	err     error         // why, valid then
	process *os.Process
	says    *tail.Tail
}

// connect starts the program args, if any, for the namespaces of the starter, and
// returns when the network is up. Its end, before that of the starter, goes to
// served.
func (c *Child) connect(args []string, served chan<- error) (err error) {
	if len(args) == 0 {
		return nil
	}
	if c.helper, err = startHelper(args, c.pid, c.exited); err != nil {
		return err
	}
	go func() {
		<-c.helper.ended
		select {
		case <-c.exited:
		case <-time.After(100 * time.Millisecond): // the starter's end may just be unknown yet
			served <- c.helper.failure()
		}
	}()
	return nil
}

// startHelper starts the program with the arguments args for the namespaces of
// the process pid, and returns when the network is up. It gives up when that
// process ends, and gone is closed.
func startHelper(args []string, pid int, gone <-chan struct{}) (*connector, error) {
	ready, readyEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for the network: %w", err)
	}
	defer ready.Close()
	exitEnd, exit, err := os.Pipe()
	if err != nil {
		readyEnd.Close()
		return nil, fmt.Errorf("pipe for the network: %w", err)
	}
	h := &connector{name: args[0], exit: exit, ended: make(chan struct{}), says: &tail.Tail{}}
	started := make(chan error)
	go h.run(arguments(args, pid), readyEnd, exitEnd, started)
	err = <-started
	readyEnd.Close()
	exitEnd.Close()
	if err != nil {
		exit.Close()
		return nil, hint.Wrap(fmt.Errorf("start %s: %w", h.name, err), helperRemedy)
	}
	if err := h.wait(ready, gone); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

const helperRemedy = "check that it runs by itself, choose the other of --network pasta and --network slirp4netns, or do without: --network none"

// arguments replaces what stands for numbers. The descriptors are the first two
// of exec.Cmd.ExtraFiles.
func arguments(args []string, pid int) []string {
	numbers := strings.NewReplacer(plan.HelperPID, strconv.Itoa(pid), plan.HelperReady, "3", plan.HelperExit, "4")
	out := []string{args[0]}
	for _, a := range args[1:] {
		out = append(out, numbers.Replace(a))
	}
	return out
}

// run starts the program on a thread that lives until it has ended.
func (h *connector) run(args []string, ready, exit *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stderr = h.says
	cmd.ExtraFiles = []*os.File{ready, exit}
	// A group of its own: keys on the terminal are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err := cmd.Start()
	h.process = cmd.Process
	if started <- err; err != nil {
		return
	}
	h.err = cmd.Wait()
	close(h.ended)
}

// wait waits until the program writes to the descriptor that it got for it.
func (h *connector) wait(ready *os.File, gone <-chan struct{}) error {
	written := make(chan bool, 1)
	go func() {
		n, _ := ready.Read(make([]byte, 64)) // nothing: every other end is closed
		written <- n > 0
	}()
	select {
	case ok := <-written:
		if ok {
			return nil
		}
		<-h.ended
		return h.failure()
	case <-gone:
		return errors.New("the starter ended before its network was up")
	case <-time.After(helperPatience):
		return hint.Wrap(fmt.Errorf("%s does not set up the network", h.name), helperRemedy)
	}
}

// failure says how the program ended, which nobody asked it to.
func (h *connector) failure() error {
	err := h.err
	if err == nil {
		err = errors.New("it ended")
	}
	return hint.Wrap(fmt.Errorf("network: %s: %w%s", h.name, err, lastLines(h.says)), helperRemedy)
}

// stop ends the program and waits for its end. A nil one needs neither.
func (h *connector) stop() {
	if h == nil {
		return
	}
	h.exit.Close()
	h.process.Kill() // fails only when it has ended
	<-h.ended
}

// lastLines returns ": " and the last of what a program has said, as one line, or nothing.
func lastLines(says *tail.Tail) string {
	const enough = 4
	if text := strings.Join(says.Lines(enough), "; "); text != "" {
		return ": " + text
	}
	return ""
}
