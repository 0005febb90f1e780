package launch

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/starter/enter"
)

// entry is how a starter enters namespaces. Nil is that there are none.
type entry struct {
	list []join.Namespace
	// told and tells are the ends of a pipe on which the number of the process comes that
	// goes on in a PID namespace; nil if none is entered.
	told, tells *os.File
}

func entryOf(list []join.Namespace) (*entry, error) {
	if len(list) == 0 {
		return nil, nil
	}
	e := &entry{list: list}
	for _, n := range list {
		if n.Kind == enter.PID {
			var err error
			if e.told, e.tells, err = os.Pipe(); err != nil {
				return nil, fmt.Errorf("pipe for the number of a process: %w", err)
			}
		}
	}
	return e, nil
}

// fds returns the descriptors that the starter needs.
func (e *entry) fds() (fds []int) {
	if e == nil {
		return nil
	}
	if e.tells != nil {
		fds = append(fds, int(e.tells.Fd()))
	}
	for _, n := range e.list {
		fds = append(fds, int(n.File.Fd()))
	}
	return fds
}

// words returns the starter's arguments, for which the descriptors have the numbers fds.
func (e *entry) words(fds []int) []string {
	if e == nil {
		return nil
	}
	var list []enter.Namespace
	if e.tells != nil {
		list, fds = append(list, enter.Namespace{Kind: enter.Told, FD: fds[0]}), fds[1:]
	}
	for i, n := range e.list {
		list = append(list, enter.Namespace{Kind: n.Kind, FD: fds[i]})
	}
	return []string{enter.Word(list)}
}

// pid returns the process of the starter that was started as first: itself, or the one that
// goes on in its place.
func (e *entry) pid(first int) (int, error) {
	if e == nil || e.told == nil {
		return first, nil
	}
	e.tells.Close()
	e.tells = nil
	var number int32
	if binary.Read(e.told, binary.NativeEndian, &number) != nil {
		return first, nil // which could not enter another, and reports it
	}
	for {
		if _, err := unix.Wait4(first, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	if number < 0 {
		return 0, failure.Entry(enter.PID, syscall.Errno(-number))
	}
	return int(number), nil
}

func (e *entry) close() {
	if e == nil {
		return
	}
	for _, f := range []*os.File{e.told, e.tells} {
		if f != nil {
			f.Close()
		}
	}
}
