package cache

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lock is the right to make one entry. The kernel takes it back when its
// holder dies, however that happens, and it does not pass to programs that the
// holder starts. It saves work; nothing else depends on it. A nil lock is that
// of a directory that has none.
type lock struct {
	dir  *os.File
	fd   int
	name string
}

const lockSuffix = ".lock"

// lockedKey returns the key that a lock file is for.
func lockedKey(name string) (key string, ok bool) {
	key, ok = strings.CutSuffix(name, lockSuffix)
	return key, ok && isKey(key)
}

// tryLock takes the lock of a key unless someone has it. Where it cannot be
// had at all, as without flock(2) (NFS without lockd, Lustre without the mount
// option) or without permission to write, it is nil and not busy.
func tryLock(dir *os.File, key string) (l *lock, busy bool) {
	name := key + lockSuffix
	fd, err := openat(dir, name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, false
	}
	return (&lock{dir, fd, name}).take()
}

// take locks the open lock file, or closes it.
func (l *lock) take() (taken *lock, busy bool) {
	switch err := flock(l.fd); {
	case err == unix.EWOULDBLOCK:
		l.close()
		return nil, true
	case err != nil:
		l.release()
		return nil, false
	case !l.named():
		l.close() // its last holder has removed it; there may be another by now
		return nil, true
	}
	return l, false
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
