package launch

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// layout says which descriptors the starter gets, by number.
type layout struct {
	// files is what the clone's descriptors 0 to len(files)-1 are.
	files []uintptr
	// own are the numbers of the starter's own: that of the plan, that for reports, and
	// those of namespaces to enter.
	own []int
	// temporary are copies to close once the starter runs.
	temporary []int
}

func (l *layout) close() {
	for _, fd := range l.temporary {
		unix.Close(fd)
	}
}

// arrange lays out descriptors for the starter: std are 0 to 2; descriptors
// that this process inherited keep their numbers; its own get the lowest ones left.
func arrange(std [3]*os.File, own ...int) (*layout, error) {
	inherited, err := inheritedFDs()
	if err != nil {
		return nil, err
	}
	top := 3
	if n := len(inherited); n > 0 {
		top = inherited[n-1] + 1
	}
	l := &layout{}
	for _, fd := range own {
		// While it shuffles descriptors, syscall.ForkExec uses numbers above
		// those in its list as scratch space. The copies lie above all that
		// are inherited, and thus keep it from overwriting one.
		fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, top)
		if err == unix.EINVAL { // top is beyond the limit
			err = unix.EMFILE
		}
		if err != nil {
			l.close()
			return nil, fmt.Errorf("duplicate a descriptor: %w", err)
		}
		l.temporary = append(l.temporary, fd)
	}
	for _, f := range std {
		l.files = append(l.files, f.Fd())
	}
	for _, fd := range l.temporary {
		for slices.Contains(inherited, len(l.files)) {
			l.files = append(l.files, uintptr(len(l.files)))
		}
		l.own = append(l.own, len(l.files))
		l.files = append(l.files, uintptr(fd))
	}
	return l, nil
}

// inheritedFDs returns the caller's descriptors above 2, sorted. They are those
// that are not close-on-exec: all that Go programs open are.
func inheritedFDs() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, fmt.Errorf("list open descriptors: %w", err)
	}
	var fds []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds, nil
}
