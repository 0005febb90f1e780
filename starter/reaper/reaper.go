// Package reaper is the work of process 1 of a PID namespace: it waits for all processes
// that have no other parent, and passes signals on.
//
// Input: the payload's pid and signals. Output: an exit status. It decides nothing about
// which signals come.
package reaper

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Catch starts to receive the signals that launch sends on. One that the
// caller ignores stays ignored, here and in the payload. The list is short
// because each costs a round trip between threads of the Go runtime.
func Catch() chan os.Signal {
	c := make(chan os.Signal, 64)
	for _, n := range []syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGCONT,
	} {
		if !signal.Ignored(n) {
			signal.Notify(c, n)
		}
	}
	return c
}

// DiscardKeys drops the terminal's signals that came before this process left
// the process group: the payload had them, too. Others are put back.
func DiscardKeys(c chan os.Signal) {
	for range len(c) {
		switch s := <-c; s {
		case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP:
		default:
			select {
			case c <- s:
			default: // so many came meanwhile that one more says nothing new
			}
		}
	}
}

// Forward sends what arrives on c to the process child.
func Forward(c <-chan os.Signal, child int) {
	for s := range c {
		n, ok := s.(syscall.Signal)
		if ok {
			unix.Kill(child, n) // fails only when child has just ended
		}
		if n == unix.SIGTERM || n == unix.SIGHUP {
			unix.Kill(child, unix.SIGCONT) // a payload that is stopped would not hear of its end
		}
	}
}

// Reap waits for every orphan of the namespace and returns when child ended.
func Reap(child int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case pid == child && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == child:
			return ws.ExitStatus(), nil
		}
	}
}

// end sends what arrives on c to the process child, if there is one, and a signal
// that ends programs to every process of the namespace; ended gets the first of those.
func end(c <-chan os.Signal, child int, ended chan<- int) {
	send := func(n syscall.Signal) {}
	if child > 0 {
		send = func(n syscall.Signal) { unix.Kill(child, n) }
		if fd, err := unix.PidfdOpen(child, 0); err == nil { // else the kernel is of old
			send = func(n syscall.Signal) { unix.PidfdSendSignal(fd, n, nil, 0) } // not to who gets its number later
		}
	}
	for s := range c {
		n, _ := s.(syscall.Signal)
		switch n {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			select {
			case ended <- int(n):
			default:
			}
			unix.Kill(-1, n) // fails when there is none
		default:
			send(n) // fails when it has ended
		}
	}
}

// Outlive waits for every process of the namespace, also for those that others leave
// behind there later, until a signal of c has come or child, 0 for none, has failed. It
// returns the status of child, or what a signal makes of it.
func Outlive(child int, c <-chan os.Signal) (status int, err error) {
	ended, orphans := make(chan int, 1), make(chan os.Signal, 1)
	signal.Notify(orphans, unix.SIGCHLD)
	go end(c, child, ended)
	for asked := 0; ; {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD && status != 0:
			return status, nil
		case err == unix.ECHILD && asked != 0:
			return 128 + asked, nil
		case err == unix.ECHILD:
			select {
			case asked = <-ended: // those that have come meanwhile got the signal
			case <-orphans:
			}
		case err != nil:
			return 0, err
		case pid == child && ws.Signaled():
			status = 128 + int(ws.Signal())
		case pid == child:
			status = ws.ExitStatus()
		}
	}
}
