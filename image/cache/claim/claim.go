// Package claim gives one of all processes, on all hosts that share a directory,
// the right to make something there.
//
// Input: an open directory that nobody else than the caller may change, and a
// key, the name of what is to be made. Output: the right, or that someone has
// it. It is a lock of flock(2) or, where that does not work, a lease (lease.go).
// It saves work and no more: now and then two may have it.
package claim

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Claims makes claims in one file system. It is safe for concurrent use.
type Claims struct {
	pace Pace
	// leases is set once flock(2) turned out not to work here.
	leases atomic.Bool
}

// Pace is how often the holder of a lease touches it, and after how long without
// that others may have it.
type Pace struct{ Beat, Lapse time.Duration }

// Usual returns the pace that leaves a busy host, and file systems that keep
// times to the second, some beats to miss.
func Usual() Pace { return Pace{3 * time.Second, 20 * time.Second} }

// New returns claims whose leases have this pace, which must be the same for all
// who share a directory.
func New(p Pace) *Claims { return &Claims{pace: p} }

// WithoutLocks has all claims be leases, as if flock(2) did not work.
func (c *Claims) WithoutLocks() { c.leases.Store(true) }

// Take takes the right to make key, unless someone has it; release is not nil
// and gives it back. Where it cannot be had at all, as without permission to
// write, it is not busy, and what was to be made will fail.
func (c *Claims) Take(dir *os.File, key string) (release func(), busy bool) {
	if !c.leases.Load() {
		l, busy, err := tryLock(dir, key)
		if err == nil {
			return l.release, busy
		}
		if errors.Is(err, errNoLocks) {
			c.leases.Store(true)
		}
	}
	l, busy := tryLease(dir, key, c.pace)
	return l.release, busy
}

// Sweep removes the file name if it is that of a claim, on a key that isKey, and
// nobody has it.
func (c *Claims) Sweep(dir *os.File, name string, isKey func(string) bool) {
	if key, ok := strings.CutSuffix(name, lockSuffix); ok && isKey(key) {
		l, _, _ := tryLock(dir, key)
		l.release()
	} else if key, ok := strings.CutSuffix(name, leaseSuffix); ok && isKey(key) {
		l, _ := tryLease(dir, key, c.pace)
		l.release()
	} else if key, _, ok := strings.Cut(name, leaseSuffix+"-"); ok && isKey(key) {
		removeLapsed(dir, key, name, c.pace.Lapse)
	}
}

// Touch sets the modification time of a file to now by the clock of the file
// system, whatever that of the host says.
func Touch(dir *os.File, name string) error {
	now := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	return unix.UtimesNanoAt(int(dir.Fd()), name, now, unix.AT_SYMLINK_NOFOLLOW)
}

// Openat opens a name in dir and nothing that it may link to, and waits for
// nothing. It tries again when a signal interrupts it, and once when a server
// no longer knows the file (ESTALE, from NFS).
func Openat(dir *os.File, name string, flags int, mode uint32) (int, error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	stale := false
	for {
		fd, err := unix.Openat(int(dir.Fd()), name, flags, mode)
		switch {
		case err == unix.EINTR:
		case err == unix.ESTALE && !stale:
			stale = true
		default:
			return fd, err
		}
	}
}
