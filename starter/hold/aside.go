package hold

import "golang.org/x/sys/unix"

// Aside moves what is mounted on dir to where it covers nothing, and returns an O_PATH
// descriptor of it: on the root directory, on which no path begins that is not relative
// to the descriptor. What is open in it can be bound still.
func Aside(dir string) (fd int, err error) {
	if fd, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if err = unix.Mount(dir, "/", "", unix.MS_MOVE, ""); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
