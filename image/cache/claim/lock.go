package claim

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock is the right to make one entry. The kernel takes it back when its
// holder dies, however that happens, and it does not pass to programs that the
// holder starts. It saves work; nothing else depends on it. A nil lock is none.
type lock struct {
	dir  *os.File
	fd   int
	name string
}

const lockSuffix = ".lock"

// errNoLocks is that of a file system without flock(2): NFS without lockd,
// Lustre without the mount option.
var errNoLocks = errors.New("the file system has no locks")

// tryLock takes the lock of a key unless someone has it.
func tryLock(dir *os.File, key string) (l *lock, busy bool, err error) {
	name := key + lockSuffix
	fd, err := Openat(dir, name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, false, err
	}
	return (&lock{dir, fd, name}).take()
}

// take locks the open lock file, or closes it.
func (l *lock) take() (taken *lock, busy bool, err error) {
	switch err := flock(l.fd); {
	case err == unix.EWOULDBLOCK:
		l.close()
		return nil, true, nil
	case err != nil:
		l.release()
		return nil, false, fmt.Errorf("%w: %w", errNoLocks, err)
	case !l.named():
		l.close() // its last holder has removed it; there may be another by now
		return nil, true, nil
	}
	return l, false, nil
}

// flock takes the lock of an open file, unless that would wait.
func flock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
			return err
		}
	}
}

// named says whether the lock file still has its name, without which others
// would not find it.
func (l *lock) named() bool {
	var open, there unix.Stat_t
	return unix.Fstat(l.fd, &open) == nil &&
		unix.Fstatat(int(l.dir.Fd()), l.name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		open.Dev == there.Dev && open.Ino == there.Ino
}

// release removes the lock file, as long as nobody else can have the lock, and
// gives it up. A file that stays is removed by the next who has its lock.
func (l *lock) release() {
	if l == nil {
		return
	}
	_ = unix.Unlinkat(int(l.dir.Fd()), l.name, 0)
	l.close()
}

// close gives up the lock. Nothing was written, so nothing can be lost.
func (l *lock) close() { _ = unix.Close(l.fd) }
