// Package join opens the namespaces of a running container, for a starter to enter them.
//
// Input: a process of the container. Output: open files of the namespaces in which it
// differs from this process, and its root directory. It enters nothing itself, and must not
// print.
package join

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/enter"
)

// kinds are the kinds of namespaces that a container may have of its own, in the order in
// which they are to be entered.
var kinds = [...]enter.Kind{enter.User, enter.IPC, enter.UTS, enter.Net, enter.Mount, enter.PID}

// Namespace is one of them.
type Namespace struct {
	Kind enter.Kind
	File *os.File
}

// Namespaces are those in which a process differs from this one.
type Namespaces struct {
	List []Namespace
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
		f, err := os.Open(proc + "/ns/" + k.String())
		if errors.Is(err, os.ErrNotExist) {
			if _, err := os.Lstat("/proc/self/ns/" + k.String()); err != nil {
				continue // this kernel does without
			}
		}
		if err != nil {
			return err
		}
		own, err := os.Stat("/proc/self/ns/" + k.String())
		theirs, err2 := f.Stat()
		if err := errors.Join(err, err2); err != nil || os.SameFile(own, theirs) {
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			continue
		}
		n.List = append(n.List, Namespace{k, f})
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

// Close frees the descriptors. It may be called on nil.
func (n *Namespaces) Close() {
	if n == nil {
		return
	}
	for _, x := range n.List {
		x.File.Close() // which were only read
	}
	if n.Root != nil {
		n.Root.Close()
	}
}
