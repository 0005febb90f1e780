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
	// plan and report are the numbers of the starter's own two.
	plan, report int
	// temporary are copies to close once the starter runs.
	temporary []int
}

func (l *layout) close() {
	for _, fd := range l.temporary {
		unix.Close(fd)
	}
}

// arrange lays out descriptors for the starter: std are 0 to 2; descriptors
// that this process inherited keep their numbers; plan and report get the
// lowest ones left.
func arrange(std [3]*os.File, plan, report int) (*layout, error) {
	inherited, err := inheritedFDs()
	if err != nil {
		return nil, err
	}
	top := 3
	if n := len(inherited); n > 0 {
		top = inherited[n-1] + 1
	}
	l := &layout{}
	var own [2]uintptr
	for i, fd := range []int{plan, report} {
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
		own[i] = uintptr(fd)
	}
	for _, f := range std {
		l.files = append(l.files, f.Fd())
	}
	for l.report == 0 {
		n := len(l.files)
		switch {
		case slices.Contains(inherited, n):
			l.files = append(l.files, uintptr(n))
		case l.plan == 0:
			l.plan = n
			l.files = append(l.files, own[0])
		default:
			l.report = n
			l.files = append(l.files, own[1])
		}
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
