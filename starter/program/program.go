// Package program finds the program that a command names, as a shell would.
//
// Input: the command's name and its environment. Output: a path, or an errno. It
// executes nothing.
package program

import (
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
