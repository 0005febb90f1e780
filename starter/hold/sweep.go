package hold

import (
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// Names in a directory where a server and tasks meet: that of the socket, and that of the
// directory in which is mounted what they share.
const (
	Socket = "socket"
	Mounts = "mounts"
)

// Sweep removes such a directory, and those above it that are empty then, up to two, if
// nobody listens at its socket, nor is about to: who is has the directory locked. There
// need be none.
func Sweep(dir string) {
	if !path.IsAbs(dir) {
		return
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil || listens(fd) {
		return
	}
	unix.Unlinkat(fd, Socket, 0)
	unix.Unlinkat(fd, Mounts, unix.AT_REMOVEDIR)
	for range 3 {
		if unix.Rmdir(dir) != nil {
			return
		}
		dir = path.Dir(dir)
	}
}

// listens says whether somebody does at the socket in a directory.
func listens(dir int) bool {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return true
	}
	defer unix.Close(s)
	err = unix.Connect(s, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + Socket})
	return err != unix.ECONNREFUSED && err != unix.ENOENT
}
