package instances

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/launch"
)

const stopHelp = `

A pattern such as 'db*' selects names. SIGTERM, or another signal of SIGHUP,
SIGINT and SIGQUIT, goes to every process of the instance; with a restart policy
to the script, whose end is that of all. SIGUSR1 and SIGUSR2 go to the script
alone. What runs after 10 seconds, or --timeout, is killed. An instance that is
stopped is not started again, and its logs are removed; so are those of one that
has failed.`

// stopPatience is how long an instance may take to end.
const stopPatience = 10 * time.Second

// stopOptions are the flags of stop.
type stopOptions struct {
	all, force bool
	signal, of string
	seconds    int
}

// stopCommand returns instance stop.
func stopCommand(p *ui.Process) *cobra.Command {
	o := stopOptions{}
	c := &cobra.Command{
		Use: "stop [flags] [PATTERN]", Short: "End instances", Long: "End instances." + stopHelp,
		Example: "  sealift instance stop db\n  sealift instance stop --all\n  sealift instance stop -s INT -t 60 'web*'",
		Args:    ui.AtMost(1), ValidArgsFunction: completeNames(p),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			if len(args) == 0 && !o.all {
				return ui.UsageError(c, errors.New("stop needs the name of an instance, or --all"))
			}
			return stop(p, append(args, "*")[0], o)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "end all instances")
	ui.Bind(flags, "all", "ALL")
	flags.BoolVarP(&o.force, "force", "F", false, "kill them at once")
	ui.Bind(flags, "force", "FORCE")
	flags.StringVarP(&o.signal, "signal", "s", "TERM", "send this `signal`, such as INT or 2")
	ui.Bind(flags, "signal", "SIGNAL")
	flags.IntVarP(&o.seconds, "timeout", "t", int(stopPatience/time.Second), "`seconds` until they are killed")
	userFlag(flags, &o.of, "end instances of this `user` (root only)")
	return c
}

func stop(p *ui.Process, pattern string, o stopOptions) error {
	signal, err := parseSignal(o.signal)
	if err != nil {
		return err
	}
	if o.force {
		signal = unix.SIGKILL
	}
	s, err := store(p, o.of)
	if err != nil {
		return err
	}
	list, err := found(p, s, pattern, true)
	defer closeAll(list)
	switch {
	case err != nil:
		return err
	case len(list) == 0 && o.all:
		return hint.New("no instance found", "there is none to end")
	case len(list) == 0:
		return instance.Missing(pattern)
	}
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for n, i := range list {
		if !i.Alive() {
			p.Info("%s instance of %s has ended already, with status %d", i.Name, i.Image, i.Exit)
			continue
		}
		p.Info("Stopping %s instance of %s (PID=%d)", i.Name, i.Image, i.Init.PID)
		wg.Go(func() {
			var killed bool
			if killed, errs[n] = i.Stop(signal, time.Duration(o.seconds)*time.Second); killed {
				p.Info("Killing %s instance of %s (PID=%d) (Timeout)", i.Name, i.Image, i.Init.PID)
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), s.Forget(pattern))
}

// parseSignal reads a name, with or without SIG, or a number.
func parseSignal(text string) (unix.Signal, error) {
	name := strings.ToUpper(text)
	signal := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG"))
	if n, err := strconv.Atoi(text); err == nil {
		signal = unix.Signal(n)
	}
	if signal == unix.SIGKILL {
		return signal, nil
	}
	var names []string
	for _, s := range launch.Signals() {
		n, ok := s.(syscall.Signal)
		if n == unix.SIGTSTP || n == unix.SIGCONT {
			continue // they would stop who serves the image
		}
		if ok && n == signal {
			return signal, nil
		}
		names = append(names, strings.TrimPrefix(unix.SignalName(n), "SIG"))
	}
	return 0, hint.New(fmt.Sprintf("signal %q is not one that is passed on to instances", text), "use KILL, %s", strings.Join(names, ", "))
}
