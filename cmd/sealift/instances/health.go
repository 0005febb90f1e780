package instances

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
)

// health is how an instance is checked.
type health struct {
	command                        string
	interval, timeout, startPeriod time.Duration
	retries                        int
}

// What the state of a checked instance is.
const (
	healthStarting = "starting"
	healthy        = "healthy"
	unhealthy      = "unhealthy"
)

// The defaults of the flags.
const (
	healthEvery   = 30 * time.Second
	healthTimeout = 30 * time.Second
	healthRetries = 3
)

func (h *health) add(flags *pflag.FlagSet) {
	flags.StringVar(&h.command, "health-cmd", "", "`command` of the container's shell that fails when something is wrong")
	ui.Bind(flags, "health-cmd", "HEALTH_CMD")
	flags.DurationVar(&h.interval, "health-interval", healthEvery, "time between two checks, such as 10s")
	ui.Bind(flags, "health-interval", "HEALTH_INTERVAL")
	flags.DurationVar(&h.timeout, "health-timeout", healthTimeout, "time after which a check has failed")
	ui.Bind(flags, "health-timeout", "HEALTH_TIMEOUT")
	flags.IntVar(&h.retries, "health-retries", healthRetries, "`number` of failed checks in a row that make it unhealthy")
	ui.Bind(flags, "health-retries", "HEALTH_RETRIES")
	flags.DurationVar(&h.startPeriod, "health-start-period", 0, "time after the start in which failed checks do not count")
	ui.Bind(flags, "health-start-period", "HEALTH_START_PERIOD")
}

// first is the state before the first check.
func (h *health) first() string {
	if h.command == "" {
		return ""
	}
	return healthStarting
}

// next is the state after a check, the failures before which were so many in a row.
func (h *health) next(state string, failed bool, failures *int, since time.Duration) string {
	switch {
	case !failed:
		*failures = 0
		return healthy
	case state == healthStarting && since < h.startPeriod:
		return state
	}
	if *failures++; *failures >= h.retries {
		return unhealthy
	}
	return state
}

// check checks the instance until the context ends, which the container's end does.
func (s *supervisor) check(ctx context.Context) {
	began, state, failures := time.Now(), healthStarting, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(s.health.interval, 10*time.Millisecond)):
		}
		failed := s.probe(ctx) != nil
		if ctx.Err() != nil {
			return
		}
		next := s.health.next(state, failed, &failures, time.Since(began))
		if next == state {
			continue
		}
		s.Info("the instance is %s", next)
		state = next
		if err := s.update(func(st *instance.State) { st.Health = state }); err != nil {
			s.Warn("%v", err)
		}
	}
}

// probe runs the command once, as anybody would. This process serves the image, and must
// not itself look into the container.
func (s *supervisor) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.health.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Executable, "exec", actions.InstancePrefix+s.state.Name, "/bin/sh", "-c", s.health.command)
	cmd.Env = s.Environ
	// A process group, as what joins the container is in its parent's: all of it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}
