// Package join starts a program inside the namespaces of a running container.
//
// Input: a process of the container, held by a descriptor, and an open program with its
// arguments, descriptors and capabilities. Output: the pid of a child of this process
// that runs the program. It decides nothing about what the program does there, and must
// not print. The kernel lets only a process of one thread enter a user namespace
// (setns(2)), which a Go program never is: what enters is a copy of one thread.
package join

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// kind is a kind of namespace: its file in /proc/PID/ns and its flag (namespaces(7)).
type kind struct {
	file string
	flag uintptr
}

// kinds are the namespaces that a container may have of its own, in the order in which
// they are entered: the user namespace gives the right to enter the others.
var kinds = [...]kind{
	{"user", unix.CLONE_NEWUSER}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS},
	{"net", unix.CLONE_NEWNET}, {"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS},
}

// Namespaces are those in which a process differs from this one.
type Namespaces struct {
	kinds []kind
	files []*os.File
	// Root is the root directory of the process, opened with O_PATH.
	Root *os.File
}

// Open opens the namespaces of the process pid. alive is called at the end, and fails
// unless pid has been the process that is meant all the time. Close must be called.
func Open(pid int, alive func() error) (*Namespaces, error) {
	n := &Namespaces{}
	err := n.open("/proc/" + strconv.Itoa(pid))
	if err == nil {
		err = alive()
	}
	if err != nil {
		n.Close()
		return nil, hint.Wrap(fmt.Errorf("open the namespaces of process %d: %w", pid, err), "the container has ended, or is another user's")
	}
	return n, nil
}

func (n *Namespaces) open(proc string) error {
	for _, k := range kinds {
		f, err := os.Open(proc + "/ns/" + k.file)
		if errors.Is(err, os.ErrNotExist) {
			if _, err := os.Lstat("/proc/self/ns/" + k.file); err != nil {
				continue // this kernel does without
			}
		}
		if err != nil {
			return err
		}
		own, err := os.Stat("/proc/self/ns/" + k.file)
		theirs, err2 := f.Stat()
		if err := errors.Join(err, err2); err != nil || os.SameFile(own, theirs) {
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			continue
		}
		n.kinds, n.files = append(n.kinds, k), append(n.files, f)
	}
	// The root itself may be closed to this process, where it is a file system of other
	// ids.
	fd, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: proc + "/root", Err: err}
	}
	n.Root = os.NewFile(uintptr(fd), proc+"/root")
	return nil
}

// User says whether a user namespace is entered.
func (n *Namespaces) User() bool { return len(n.kinds) > 0 && n.kinds[0].flag == unix.CLONE_NEWUSER }

// Close frees the descriptors. It may be called on nil.
func (n *Namespaces) Close() {
	if n == nil {
		return
	}
	for _, f := range n.files {
		f.Close() // which were only read
	}
	if n.Root != nil {
		n.Root.Close()
	}
}

// Program is what is to run.
type Program struct {
	// Path is the program's on the host.
	Path string
	// Args is the whole command line; the environment is empty.
	Args []string
	// Files are its descriptors from 0 on.
	Files []uintptr
	// Caps are capabilities that it is to have, in the user namespace of the container
	// where that has one.
	Caps []uintptr
	// Descriptors, unless 0, is its limit of descriptors: the Go runtime has raised that
	// of this process.
	Descriptors uint64
}

// Start runs p in the namespaces. The process is a child of the calling thread, which
// must be locked to its goroutine and live as long. An error names the namespace that
// could not be entered.
func (n *Namespaces) Start(p Program) (pid int, err error) {
	e := entry{}
	if err := e.prepare(n, p); err != nil {
		return 0, err
	}
	defer e.close()
	return e.run(n)
}

// Descriptors returns how many descriptors a program may have that this process starts, 0 if
// nobody tells. The Go runtime raises its own limit (RLIMIT_NOFILE), and tells the former
// one to nobody but the programs that it executes itself.
func Descriptors() uint64 {
	out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0 // it is unlimited
	}
	return n
}
