package launch

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals returns the signals that a caller of Run catches and sends to
// Job.Signals. One that the process ignores, as under nohup(1), is left out: it
// stays ignored, in the payload as well.
func Signals() []os.Signal {
	var out []os.Signal
	for _, s := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGCONT,
	} {
		if !signal.Ignored(s) {
			out = append(out, s)
		}
	}
	return out
}

// key says that the terminal sends s for a key, to every process in the
// foreground.
func key(s syscall.Signal) bool { return s == syscall.SIGINT || s == syscall.SIGQUIT }

// ends says that s ends a process that does nothing about it; 0 is no signal.
func ends(s syscall.Signal) bool {
	return s != 0 && s != syscall.SIGTSTP && s != syscall.SIGCONT
}

// pass forwards s to the payload. The terminal has sent the signals of its keys
// to the payload already, when this process is in the foreground: both are in
// one process group. SIGTSTP then stops this process, too.
func (c *Child) pass(s syscall.Signal) {
	stop := s == syscall.SIGTSTP
	if s != 0 && !((key(s) || stop) && foreground()) {
		c.kill(s)
	}
	if c.alone && (s == syscall.SIGTERM || s == syscall.SIGHUP) {
		c.kill(syscall.SIGCONT) // as the init does
	}
	if stop {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP) // sent to oneself it cannot fail
	}
}

// foreground reports whether this process has a controlling terminal and is in
// its foreground process group (tty(4), tcgetpgrp(3)).
func foreground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
