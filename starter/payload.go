package main

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// defaultPath is searched when the environment has no PATH, as execvp(3) does.
const defaultPath = "/usr/local/bin:/bin:/usr/bin"

// payload executes pr. It returns only when that failed or, after Init, with
// the payload's exit status.
func (m *machine) payload(pr *plan.Process) (status int, f *plan.Report) {
	if err := enter(pr.Dirs); err != nil {
		return 0, failure(plan.StageDir, -1, err)
	}
	path, err := find(pr.Args[0], pr.Env)
	if err != nil {
		return 0, failure(plan.StageFind, -1, err)
	}
	if pr.Init {
		status, err = m.supervise(path, pr)
	} else {
		err = unix.Exec(path, pr.Args, pr.Env)
	}
	if err != nil {
		return 0, failure(plan.StageExec, -1, err)
	}
	return status, nil
}

// enter makes the first of dirs that it can the working directory.
func enter(dirs []string) error {
	var first error
	for _, dir := range dirs {
		err := chdir(dir)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// chdir refuses a directory outside the root, which can be named by way of an
// inherited descriptor, /proc/self/fd/N: getcwd(2) has no path for it.
func chdir(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	buf := make([]byte, unix.PathMax)
	if n, err := unix.Getcwd(buf); err != nil || n < 1 || buf[0] != '/' {
		if err := unix.Chdir("/"); err != nil {
			return err
		}
		return unix.ENOENT
	}
	return nil
}

// find returns the path of the command name. A name without a slash is looked
// up in the PATH of env; among those, what is not executable is passed over,
// and reported only when nothing else is found (execvp(3)).
func find(name string, env []string) (string, error) {
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
		if !missing(err) {
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
