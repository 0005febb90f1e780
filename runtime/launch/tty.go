package launch

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// terminalState is how the controlling terminal was set up, or nil when this
// process had none, or was not in its foreground. A payload that is killed
// leaves behind whatever it made of it.
type terminalState unix.Termios

func saveTerminal() *terminalState {
	if !foreground() {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	defer tty.Close()
	t, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return nil
	}
	return (*terminalState)(t)
}

// restore sets the terminal up as it was. The payload may have left this
// process in the background, where that raises SIGTTOU, unless it is blocked
// (tcsetattr(3)).
func (t *terminalState) restore() {
	if t == nil {
		return
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return // it has hung up
	}
	defer tty.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	block := unix.Sigset_t{}
	block.Val[0] = 1 << (unix.SIGTTOU - 1)
	var old unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old) != nil {
		return
	}
	unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, (*unix.Termios)(t)) // fails only when hung up
	unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)                     // cannot fail with a valid mask
}
