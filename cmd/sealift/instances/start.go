package instances

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/sources"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/spec"
)

const startHelp = `

IMAGE is what the command run takes, and its flags can be used. NAME is made of
letters, digits, dots, hyphens and underscores. The command returns when the
payload runs, or tells why it does not.

%s

An instance ends with the job step of Slurm that it is started in, unless
--detach is given, and in any case with the job's control group.

With --restart, the instance ends with its payload, and is started again where
the policy says so: after 1 second, then 2, 4 and up to 60.

With --health-cmd, a shell in the container runs a command now and then: the
instance is healthy when its status is 0. 'sealift instance list --all' shows it.`

// readyVariable names the descriptor on which a supervisor tells that the payload runs.
const readyVariable = "SEALIFT_INSTANCE_READY"

// settings are the flags of a start.
type settings struct {
	pidFile string
	detach  bool
	restart restart
	health  health
	logs    instance.Rotation
	logSize ui.Size
}

// startCommand returns instance start or instance run.
func startCommand(p *ui.Process, action spec.Action) *cobra.Command {
	s := settings{}
	use, short := "start [flags] IMAGE NAME [ARG...]", "Start an instance: the image's startscript in the background"
	more := "The startscript may end and leave programs running: the instance goes on, also\nwhen it has none, until 'sealift instance stop' ends it."
	if action == spec.Run {
		use, short = "run [flags] IMAGE NAME [ARG...]", "Start an instance that runs the image's runscript"
		more = "The runscript may end and leave programs running: the instance goes on until\n'sealift instance stop' ends it."
	}
	c := actions.Starter(p, sources.New(), action, use, short,
		func() (done bool, err error) {
			if p.Variable(readyVariable) != "" {
				return false, nil
			}
			return true, spawn(p)
		},
		func(c *cobra.Command, name string, start func(context.Context, *actions.Background) error) error {
			s.logs.Size = int64(s.logSize)
			return supervise(c.Context(), p, name, s, start)
		})
	c.Long = short + ".\n" + strings.TrimPrefix(fmt.Sprintf(startHelp, more), "\n")
	c.Example = map[spec.Action]string{
		spec.Start: "  sealift instance start --restart on-failure:3 postgres.sif db\n  sealift exec instance://db psql",
		spec.Run:   "  sealift instance run --pid-file web.pid web.sif web --port 8080",
	}[action]
	flags := c.Flags()
	flags.StringVar(&s.pidFile, "pid-file", "", "write the number of the container's first process to this `file`")
	ui.Bind(flags, "pid-file", "PID_FILE")
	flags.BoolVar(&s.detach, "detach", false, "go on when the job step of Slurm ends, where Slurm lets it")
	ui.Bind(flags, "detach", "DETACH")
	flags.Var(&s.restart, "restart", "start it again: `policy` no, always, or on-failure[:TIMES]")
	ui.Bind(flags, "restart", "RESTART")
	s.logSize = 1 << 20
	flags.Var(&s.logSize, "log-size", "begin a new log file when one has this size")
	ui.Bind(flags, "log-size", "LOG_SIZE")
	flags.IntVar(&s.logs.Files, "log-files", 2, "`number` of log files to keep of each stream")
	ui.Bind(flags, "log-files", "LOG_FILES")
	s.health.add(flags)
	return c
}

// spawn executes this program again as a supervisor, and waits until the payload runs or
// the supervisor has told why it does not. What ends this process until then ends the
// supervisor as well, as the other end of their socket tells it.
func spawn(p *ui.Process) error {
	if err := keepOwn(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket for the supervisor: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "supervisor"), os.NewFile(uintptr(pair[1]), "command")
	defer ours.Close()
	cmd := &exec.Cmd{
		Path: p.Executable, Args: append([]string{p.Name}, p.Args...), Env: append(p.Environ, readyVariable+"=3"),
		Stdout: p.Stdout, Stderr: p.Stderr, ExtraFiles: []*os.File{theirs},
	}
	if err := cmd.Start(); err != nil {
		return hint.Wrap(fmt.Errorf("start the supervisor: %w", err), "check the limits of processes and memory (ulimit -a)")
	}
	theirs.Close()
	said := make([]byte, 1)
	if n, err := ours.Read(said); n == 1 {
		p.Info("instance started successfully")
		return nil
	} else if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
		return fmt.Errorf("wait for the supervisor: %w", err)
	}
	err = cmd.Wait()
	status, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case ok && status.ExitCode() >= 0:
		return ui.ExitStatus(status.ExitCode())
	case ok:
		return hint.New(fmt.Sprintf("the instance was ended while it started: %v", status), "start it again")
	}
	return err
}

// keepOwn has the supervisor inherit nothing: who reads from a pipe of the caller's would
// wait for the instance.
func keepOwn() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list open descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// restart is when an instance is started again.
type restart struct {
	text   string
	always bool
	times  int // after failures; -1 for any number
}

// Set is pflag.Value's.
func (r *restart) Set(text string) error {
	policy, count, counted := strings.Cut(text, ":")
	*r = restart{text: text}
	switch {
	case text == "no":
	case text == "always":
		r.always = true
	case policy == "on-failure" && !counted:
		r.times = -1
	case policy == "on-failure":
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of times", count)
		}
		r.times = n
	default:
		return errors.New("use no, always, or on-failure[:TIMES]")
	}
	return nil
}

// String is pflag.Value's.
func (r *restart) String() string { return r.text }

// Type is pflag.Value's.
func (*restart) Type() string { return "policy" }

// never says that there is no policy.
func (r *restart) never() bool { return !r.always && r.times == 0 }

// again says whether to start again what ended with a status, after so many times.
func (r *restart) again(code, times int) bool {
	return r.always || code != 0 && (r.times < 0 || times < r.times)
}

// maxDelay is the longest time between an end and the next start.
const maxDelay = time.Minute

// delay is how long to wait before the start of a number, from 0 on.
func delay(number int) time.Duration { return min(time.Second<<min(number, 10), maxDelay) }
