package control

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/cgroup"
)

// group is a directory of a control group. As long as this process holds it, it is
// locked, so that others do not take it for what a dead process left.
type group struct {
	dir  *os.File
	path string
}

// makeGroup makes a group of this name, or of one with a number after it where that is
// taken.
func makeGroup(name string) (*group, error) {
	for i := range tries {
		at := name
		if i > 0 {
			at += "." + strconv.Itoa(i)
		}
		switch err := os.Mkdir(at, 0o755); {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return nil, hint.Wrap(err, "see 'sealift doctor' for what is possible in the control groups here")
		}
		g, err := openGroup(at)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return g, err
		}
		// Somebody swept it before it was locked.
	}
	return nil, fmt.Errorf("make a group %s: all names are taken", name)
}

// openGroup opens and locks a group that must be there still.
func openGroup(at string) (*group, error) {
	dir, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		_, err = os.Stat(path.Join(at, "cgroup.procs"))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock group %s: %w", at, err), dir.Close())
	}
	return &group{dir, at}, nil
}

// sweep removes the groups of containers that a killed process left. What has processes
// stays, and what another process holds; nothing depends on it.
func sweep(parent string) {
	names, _ := fs.Glob(os.DirFS(parent), cgroup.Prefix+"[0-9]*")
	for _, name := range names {
		if strings.HasSuffix(name, ".scope") {
			continue // systemd's
		}
		g, err := openGroup(path.Join(parent, name))
		if err != nil {
			continue
		}
		_ = unix.Rmdir(g.path)
		_ = g.dir.Close()
	}
}

// mkdir makes a group unless there is one.
func mkdir(at string) error {
	if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// writeFile writes a file of the kernel's, in one piece.
func writeFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// lookUp returns a file's text, or false where there is none.
func (g *group) lookUp(file string) (string, bool) {
	text, err := os.ReadFile(path.Join(g.path, file))
	return string(text), err == nil
}

// read returns a file's text, or nothing where there is none.
func (g *group) read(file string) string {
	text, _ := g.lookUp(file)
	return text
}

// has says whether a file is there.
func (g *group) has(file string) bool {
	_, err := os.Stat(path.Join(g.path, file))
	return err == nil
}

// join puts a process into the group.
func (g *group) join(pid int) error {
	if err := writeFile(path.Join(g.path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("put the container into its group: %w", err)
	}
	return nil
}

// limit gives the group its limits, and reads every one back.
func (g *group) limit(n *cgroup.Nest) error {
	if n.Version == 1 {
		if err := g.inherit(n.Parent); err != nil {
			return err
		}
	}
	for _, s := range n.Settings {
		if err := g.set(s.Name, n.Writes(s)); err != nil {
			return err
		}
	}
	return nil
}

// inherit gives a new group of version 1 its parent's processors and memory nodes:
// without any it takes no process (cpuset(7)).
func (g *group) inherit(parent string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if !g.has(file) || strings.TrimSpace(g.read(file)) != "" {
			continue
		}
		text, err := os.ReadFile(path.Join(parent, file))
		if err == nil {
			err = writeFile(path.Join(g.path, file), string(bytes.TrimSpace(text)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// set does that of some writes whose file is there, and reads back what became of it.
func (g *group) set(name string, writes []cgroup.Write) error {
	for _, w := range writes {
		if !g.has(w.File) {
			continue
		}
		err := writeFile(path.Join(g.path, w.File), w.Text)
		if err != nil {
			return refused(name, err)
		}
		if w.Read == "" {
			return nil
		}
		if shows := g.read(w.Read); !cgroup.Same(w.Read, w.Text, shows, int64(os.Getpagesize())) {
			err = fmt.Errorf("%s/%s: the kernel took %q and shows %q", g.path, w.Read, w.Text, strings.TrimSpace(shows))
			return refused(name, err)
		}
		return nil
	}
	return refused(name, fmt.Errorf("this kernel has no %s in %s", writes[0].File, g.path))
}

// refused is the error of a limit that the kernel does not enforce.
func refused(name string, err error) error {
	err = fmt.Errorf("the %s cannot be set: %w", name, err)
	switch {
	case strings.Contains(name, "swap"):
		return hint.Wrap(err, "leave it out, or ask the administrator for a kernel started with swapaccount=1")
	case strings.Contains(name, "input and output") || strings.Contains(name, "device"):
		return hint.Wrap(err, "leave it out, or ask the administrator for an input and output scheduler with weights, such as bfq, and for the device's number")
	case strings.HasPrefix(name, "set of"):
		return hint.Wrap(err, "choose from those that the caller has: see Cpus_allowed_list and Mems_allowed_list in /proc/self/status")
	}
	return hint.Wrap(err, "leave it out, or give another value")
}

// patience is how long what is in a group may take to die.
const patience = 5 * time.Second

// remove kills what is in the group, and removes it with all in it.
func (g *group) remove() error {
	defer g.dir.Close()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err = removeTree(g.path); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		g.kill()
	}
	return fmt.Errorf("remove the container's group: %w", err)
}

// kill kills everything in the group. It is done until all is dead, so no error counts.
func (g *group) kill() {
	if g.has("cgroup.kill") {
		_ = writeFile(path.Join(g.path, "cgroup.kill"), "1")
		return
	}
	if g.has("pids.max") {
		_ = writeFile(path.Join(g.path, "pids.max"), "0") // nothing new
	}
	killTree(g.path)
}

// killTree kills the processes of a group and of those in it.
func killTree(at string) {
	text, _ := os.ReadFile(path.Join(at, "cgroup.procs"))
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	for _, sub := range below(at) {
		killTree(sub)
	}
}

// removeTree removes a group and those in it, which a payload may have made.
func removeTree(at string) error {
	for _, sub := range below(at) {
		if err := removeTree(sub); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(at); err != nil {
		return &fs.PathError{Op: "remove", Path: at, Err: err}
	}
	return nil
}

// below returns the groups in a group.
func below(at string) (dirs []string) {
	entries, _ := os.ReadDir(at)
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, path.Join(at, e.Name()))
		}
	}
	return dirs
}
