// Package program finds the program that a command names, as a shell would, and
// tells scripts.
//
// Input: the command's name and its environment. Output: a path, or an errno. It
// executes nothing.
package program

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPath is searched when the environment has no PATH, as execvp(3) does.
const defaultPath = "/usr/local/bin:/bin:/usr/bin"

// Find returns the path of the command name. A name without a slash is looked
// up in the PATH of env; among those, what is not executable is passed over,
// and reported only when nothing else is found (execvp(3)).
func Find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	search := defaultPath
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
			break
		}
	}
	var failed error = unix.ENOENT
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + name
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if err != unix.ENOENT && err != unix.ENOTDIR {
			failed = err
		}
	}
	return "", failed
}

// executable says whether path is a regular file this user may execute.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EACCES
	}
	return unix.Access(path, unix.X_OK)
}

// maxHead is how many bytes of a file tell whether it is a text.
const maxHead = 256

// IsText says whether path can be a script: a file that can be read, whose first
// bytes have no NUL (POSIX, sh(1)).
func IsText(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	head := make([]byte, maxHead)
	n, err := unix.Read(fd, head)
	return err == nil && bytes.IndexByte(head[:n], 0) < 0
}
