// Package hold keeps namespaces and mounts for others to enter, as long as launch lives,
// and ends with those who have entered.
//
// Input: the report socket, whose other end is launch's. It is no process 1: there is no
// payload whose status counts, and orphans are other processes' matter. It must not print.
package hold

import (
	"bytes"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// Hold tells launch that everything is there, waits for its end, and then kills all other
// processes of this user namespace if own says that it is one of the container's. What a
// batch system sends to all processes of a job is for the payloads: it is passed over
// here, but SIGKILL.
func Hold(report int, own bool) error {
	signal.Ignore()
	fds.CloseOthers([]int{report})
	if err := talk.Tell(report, &plan.Report{Stage: plan.StageHold, Index: -1}); err != nil {
		return err
	}
	msg := make([]byte, 1)
	for {
		n, err := unix.Read(report, msg)
		if err == unix.EINTR || n > 0 {
			continue
		}
		break // ECONNRESET is an end, too
	}
	if own {
		killOthers()
	}
	return nil
}

// rounds and pause bound how long processes are looked for that start others meanwhile, or
// take their time to end: one second.
const (
	rounds = 200
	pause  = 5 * time.Millisecond
)

// killOthers kills until nothing is left.
func killOthers() {
	for range rounds {
		if killOnce() == 0 {
			return
		}
		time.Sleep(pause)
	}
}

// killOnce sends SIGKILL to the other processes of this user namespace, and returns how
// many there were.
func killOnce() (found int) {
	own, ok := namespace("self")
	dir, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if !ok || err != nil {
		return 0
	}
	defer unix.Close(dir)
	self := unix.Getpid()
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(dir, buf)
		if err != nil || n <= 0 {
			return found
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil || pid == self || !alive(name) {
				continue
			}
			if theirs, ok := namespace(name); ok && theirs == own && unix.Kill(pid, unix.SIGKILL) == nil {
				found++
			}
		}
	}
}

// namespace tells the user namespace of a process by the file's device and number
// (namespaces(7)).
func namespace(pid string) (id [2]uint64, ok bool) {
	var st unix.Stat_t
	err := unix.Stat("/proc/"+pid+"/ns/user", &st)
	return [2]uint64{uint64(st.Dev), st.Ino}, err == nil
}

// alive says whether a process has not ended, its parent perhaps not having heard of it
// (proc_pid_stat(5)).
func alive(pid string) bool {
	fd, err := unix.Open("/proc/"+pid+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	text := make([]byte, 512)
	n, err := unix.Read(fd, text)
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(text[:n], []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}
