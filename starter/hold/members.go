package hold

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// User tells a user namespace by its file's device and number (namespaces(7)).
type User struct{ device, inode uint64 }

// rounds and pause bound how long processes are looked for that start others meanwhile, or
// take their time to end: one second.
const (
	rounds = 200
	pause  = 5 * time.Millisecond
)

// KillAll kills the processes of a user namespace but this one, until nothing is left.
func KillAll(user User) {
	for range rounds {
		if killOnce(user) == 0 {
			return
		}
		time.Sleep(pause)
	}
}

// killOnce sends SIGKILL to each of them, and returns how many there were.
func killOnce(user User) (found int) {
	dir, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
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
			if theirs, err := Of(name); err == nil && theirs == user && unix.Kill(pid, unix.SIGKILL) == nil {
				found++
			}
		}
	}
}

// Of returns the user namespace of a process, by its number or "self".
func Of(pid string) (User, error) {
	var st unix.Stat_t
	err := unix.Stat("/proc/"+pid+"/ns/user", &st)
	return User{uint64(st.Dev), st.Ino}, err
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
