package creds

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Numbers gives each distinct creds a number. A process carries its number in
// the soft limit of RLIMIT_RTTIME: fork and execve hand it on, threads share
// it, and it means nothing to a process without a realtime scheduling policy
// (getrlimit(2)). A limit that is no number means root.
type Numbers struct {
	mu    sync.Mutex
	byNum []Creds
	byVal map[Creds]int
}

const (
	// Carrier is the resource limit that holds the number.
	Carrier = unix.RLIMIT_RTTIME
	// top is what numbers are counted down from: 13 days in microseconds, so
	// that a process which is scheduled so after all has time enough.
	top = 1 << 40
	// maxNumbers bounds the memory that a script can make the table take.
	maxNumbers = 1 << 16
)

// of returns what a process with this limit believes to be.
func (n *Numbers) of(limit, hard uint64) Creds {
	n.mu.Lock()
	defer n.mu.Unlock()
	base := min(uint64(top), hard)
	if limit < base && base-limit <= uint64(len(n.byNum)) {
		return n.byNum[base-limit-1]
	}
	return Root()
}

// number returns the limit that stands for c.
func (n *Numbers) number(c Creds, hard uint64) (uint64, error) {
	base := min(uint64(top), hard)
	if c == Root() {
		return hard, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, known := n.byVal[c]
	if !known {
		if i = len(n.byNum) + 1; i > maxNumbers || uint64(i) > base {
			return 0, unix.EAGAIN
		}
		if n.byVal == nil {
			n.byVal = make(map[Creds]int)
		}
		n.byNum, n.byVal[c] = append(n.byNum, c), i
	}
	return base - uint64(i), nil
}

// Read returns the credentials of a process.
func (n *Numbers) Read(pid int) (Creds, error) {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, Carrier, nil, &l); err != nil {
		return Creds{}, err
	}
	return n.of(l.Cur, l.Max), nil
}

// Write gives a process credentials.
func (n *Numbers) Write(pid int, c Creds) error {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, Carrier, nil, &l); err != nil {
		return err
	}
	var err error
	if l.Cur, err = n.number(c, l.Max); err != nil {
		return err
	}
	return unix.Prlimit(pid, Carrier, &l, nil)
}
