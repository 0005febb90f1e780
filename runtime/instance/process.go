package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process by its number and its start time, in clock ticks since boot
// (field 22 of proc_pid_stat(5)): another one that gets the number has another time.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// maxPID is the highest number that the kernel gives (PID_MAX_LIMIT).
const maxPID = 1 << 22

func (p Process) plausible() bool { return p.PID > 1 && p.PID <= maxPID && p.Start > 0 }

// Find returns the process that has a number now.
func Find(pid int) (Process, error) {
	s, err := readStat(pid)
	return Process{pid, s.start}, err
}

// stat is what /proc/PID/stat says of a process.
type stat struct {
	comm   string
	parent int
	start  uint64
	ticks  uint64 // of its and its ended children's processor time
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	// The name may hold blanks and parentheses.
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("/proc/%d/stat is malformed", pid)
	}
	f := strings.Fields(string(text[end+1:])) // from field 3 on
	if len(f) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat is malformed", pid)
	}
	s := stat{comm: string(text[open+1 : end])}
	s.parent, _ = strconv.Atoi(f[1])
	s.start, _ = strconv.ParseUint(f[19], 10, 64)
	for _, field := range f[11:15] {
		n, _ := strconv.ParseUint(field, 10, 64)
		s.ticks += n
	}
	return s, nil
}

// Here tells this boot of this machine, and this PID namespace, from others.
func Here() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + " " + space, errors.Join(err, err2)
}

// Ancestor returns the nearest process above this one with one of these names.
func Ancestor(names ...string) (Process, bool) {
	for pid := os.Getppid(); pid > 1; {
		s, err := readStat(pid)
		if err != nil {
			return Process{}, false
		}
		if slices.Contains(names, s.comm) {
			return Process{pid, s.start}, true
		}
		pid = s.parent
	}
	return Process{}, false
}

// Handle is a process that cannot be mistaken for another one.
type Handle struct {
	Process
	fd int // from pidfd_open(2), or -1 on kernels before 5.3
}

// errGone says that a process has ended.
var errGone = errors.New("the process has ended")

// Open returns the process p of a user. It fails when p has ended, and when the process
// that has its number is another user's.
func (p Process) Open(uid uint32) (*Handle, error) {
	if !p.plausible() {
		return nil, fmt.Errorf("process %d: %w", p.PID, errGone)
	}
	h := &Handle{p, -1}
	fd, err := unix.PidfdOpen(p.PID, 0)
	switch {
	case err == nil:
		h.fd = fd
	case err != unix.ENOSYS && err != unix.EPERM: // EPERM: a seccomp filter of old
		return nil, fmt.Errorf("process %d: %w", p.PID, errGone)
	}
	if err := h.Alive(); err != nil {
		h.Close()
		return nil, err
	}
	if owner, err := ownerOf(p.PID); err != nil || owner != uid {
		h.Close()
		return nil, fmt.Errorf("process %d is not of user %d", p.PID, uid)
	}
	return h, nil
}

// ownerOf returns the real user id of a process: the owner of its files in /proc is root
// where the process hides from tracing.
func ownerOf(pid int) (uint32, error) {
	n, err := status(pid, "Uid", 10)
	return uint32(n), err
}

// Rights returns the bounding set of capabilities of a process, and whether it has
// no_new_privs set.
func (h *Handle) Rights() (bounding uint64, noNewPrivs bool, err error) {
	if bounding, err = status(h.PID, "CapBnd", 16); err != nil {
		return 0, false, err
	}
	n, err := status(h.PID, "NoNewPrivs", 10)
	return bounding, n == 1, err
}

// status returns the first number of a line of /proc/PID/status.
func status(pid int, key string, base int) (uint64, error) {
	f, err := fields(pid, key)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(f[0], base, 64)
}

// last returns the last word of a line of /proc/PID/status.
func last(pid int, key string) (string, error) {
	f, err := fields(pid, key)
	if err != nil {
		return "", err
	}
	return f[len(f)-1], nil
}

// fields returns the words of a line of /proc/PID/status, one at least.
func fields(pid int, key string) ([]string, error) {
	name := filepath.Join("/proc", strconv.Itoa(pid), "status")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no %s", name, key)
}

// Alive fails when the process has ended.
func (h *Handle) Alive() error {
	if s, err := readStat(h.PID); err != nil || s.start != h.Start || h.Wait(0) {
		return fmt.Errorf("process %d: %w", h.PID, errGone)
	}
	return nil
}

// Signal sends a signal. That the process has ended is no error.
func (h *Handle) Signal(s unix.Signal) error {
	err := error(nil)
	if h.fd >= 0 {
		err = unix.PidfdSendSignal(h.fd, s, nil, 0)
	} else if h.Alive() == nil {
		err = unix.Kill(h.PID, s)
	}
	if err == unix.ESRCH {
		return nil
	}
	return os.NewSyscallError("kill", err)
}

// Wait waits until the process has ended, as long as d, and tells whether it has.
func (h *Handle) Wait(d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		left := max(time.Until(end), 0)
		if h.fd < 0 {
			if s, err := readStat(h.PID); err != nil || s.start != h.Start {
				return true
			}
			time.Sleep(min(left, 10*time.Millisecond))
		} else {
			fds := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
			if n > 0 || err != nil && err != unix.EINTR {
				return n > 0
			}
		}
		if left == 0 {
			return false
		}
	}
}

// Close frees the handle.
func (h *Handle) Close() {
	if h.fd >= 0 {
		unix.Close(h.fd)
	}
}
