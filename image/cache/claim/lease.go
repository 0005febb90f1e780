package claim

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lease is the right to make one entry where flock(2) does not work. It is a
// file that its holder makes, and touches as long as it works:
//
//	KEY.lease         "NONCE HOST BOOT NAMESPACE PID START": who has it
//	KEY.lease-NONCE   there while someone takes the lease NONCE over
//
// Whoever waits takes it over when its holder is known to be dead, or has not
// touched it for a while by the clock of the file system, which all hosts share.
// A holder that was only slow, and so lost it, goes on: the entry is made twice
// then, and the first is kept. A nil lease is none.
type lease struct {
	lock
	end, ended chan struct{}
}

const leaseSuffix = ".lease"

// tryLease takes the lease of a key unless someone has it. Where it cannot be
// had at all, it is nil and not busy.
func tryLease(dir *os.File, key string, p Pace) (l *lease, busy bool) {
	name := key + leaseSuffix
	me := self()
	fd, err := writeLease(dir, name, me)
	if err == nil {
		return hold(dir, fd, name, p.Beat), false
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, false
	}
	old, err := readLease(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, true // given back meanwhile
	case err != nil:
		return nil, false // something else has the name
	}
	now, err := clock(dir, key)
	if err != nil {
		return nil, false // nothing can be made here
	}
	if !old.holder.dead(me) && !lapsed(old.touched, now, p.Lapse) {
		return nil, true
	}
	return takeOver(dir, key, old, me, p)
}

// takeOver puts a lease in place of one that has lapsed. Of all who want to,
// one makes the guard of that lease; by then it may have been replaced already.
func takeOver(dir *os.File, key string, old leaseFile, me process, p Pace) (l *lease, busy bool) {
	name := key + leaseSuffix
	guard := name + "-" + old.nonce
	fd, err := Openat(dir, guard, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err == unix.EEXIST {
		removeLapsed(dir, key, guard, p.Lapse)
		return nil, true
	}
	if err != nil {
		return nil, false
	}
	defer func() {
		_ = unix.Unlinkat(int(dir.Fd()), guard, 0) // or it lapses, too
		_ = unix.Close(fd)
	}()
	if now, err := readLease(dir, name); err != nil || now != old {
		return nil, true
	}
	tmp := hiddenName(key)
	mine, err := writeLease(dir, tmp, me)
	if err != nil {
		return nil, false
	}
	if err := unix.Renameat(int(dir.Fd()), tmp, int(dir.Fd()), name); err != nil {
		(&lock{dir, mine, tmp}).release()
		return nil, false
	}
	return hold(dir, mine, name, p.Beat), false
}

// hold takes ownership of the file of a lease, and touches it at every beat
// until it is released or lost.
func hold(dir *os.File, fd int, name string, beat time.Duration) *lease {
	l := &lease{lock{dir, fd, name}, make(chan struct{}), make(chan struct{})}
	tick := time.NewTicker(beat)
	go func() {
		defer close(l.ended)
		defer tick.Stop()
		for {
			select {
			case <-l.end:
				return
			case <-tick.C:
			}
			if !l.named() {
				return
			}
			_ = Touch(dir, name) // a beat that is missed is made up for
		}
	}()
	return l
}

// release removes the lease unless it was lost.
func (l *lease) release() {
	if l == nil {
		return
	}
	close(l.end)
	<-l.ended
	if l.named() {
		l.lock.release()
	} else {
		l.close()
	}
}

// leaseFile is what others see of a lease.
type leaseFile struct {
	nonce   string // empty in a file that is not written yet, or is none
	holder  process
	inode   uint64
	touched time.Time
}

// writeLease makes the file of a new lease, which other hosts can read when it
// returns, or fails with fs.ErrExist.
func writeLease(dir *os.File, name string, p process) (fd int, err error) {
	if fd, err = Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600); err != nil {
		return -1, err
	}
	text := fmt.Sprintf("%s %s %s %s %d %s\n", strings.ToLower(rand.Text()), p.host, p.boot, p.space, p.pid, p.start)
	if _, err = unix.Pwrite(fd, []byte(text), 0); err == nil {
		err = fsync(fd)
	}
	if err != nil {
		(&lock{dir, fd, name}).release()
		return -1, err
	}
	return fd, nil
}

// fsync is fsync(2), also where signals interrupt it, as they do on NFS that is mounted so.
func fsync(fd int) error {
	for {
		if err := unix.Fsync(fd); err != unix.EINTR {
			return err
		}
	}
}

// readLease opens the file anew each time, for that is when NFS asks the server
// how it is.
func readLease(dir *os.File, name string) (leaseFile, error) {
	fd, err := Openat(dir, name, unix.O_RDONLY, 0)
	if err != nil {
		return leaseFile{}, err
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	b := make([]byte, 1024)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	if err = errors.Join(err, unix.Fstat(fd, &st), f.Close()); err != nil {
		return leaseFile{}, err
	}
	if st.Uid != uint32(os.Geteuid()) || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return leaseFile{}, fmt.Errorf("%s is not a lease", name)
	}
	l := leaseFile{inode: st.Ino, touched: time.Unix(st.Mtim.Unix())}
	l.nonce, l.holder = parseLease(string(b[:n]))
	return l, nil
}

// parseLease reads what writeLease has written. What is not that names nobody.
func parseLease(text string) (nonce string, p process) {
	f := strings.Split(strings.TrimSuffix(text, "\n"), " ")
	if len(f) != 6 || f[0] == "" || len(f[0]) > 64 || strings.Trim(f[0], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", process{}
	}
	pid, err := strconv.Atoi(f[4])
	if err != nil || pid <= 0 {
		return "", process{}
	}
	return f[0], process{f[1], f[2], f[3], pid, f[5]}
}

// lapsed says whether a file that was touched then has lapsed now. A time in the
// future is that of a clock that was set back.
func lapsed(touched, now time.Time, lapse time.Duration) bool { return now.Sub(touched).Abs() > lapse }

// removeLapsed removes a file that was not touched for long.
func removeLapsed(dir *os.File, key, name string, lapse time.Duration) {
	var st unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if now, err := clock(dir, key); err == nil && lapsed(time.Unix(st.Mtim.Unix()), now, lapse) {
		_ = unix.Unlinkat(int(dir.Fd()), name, 0) // or the next one does
	}
}

// clock returns the time of the file system, which a file that is touched has.
func clock(dir *os.File, key string) (time.Time, error) {
	name := hiddenName(key)
	fd, err := Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return time.Time{}, err
	}
	var st unix.Stat_t
	err = errors.Join(Touch(dir, name), unix.Fstat(fd, &st), unix.Unlinkat(int(dir.Fd()), name, 0), unix.Close(fd))
	return time.Unix(st.Mtim.Unix()), err
}

// hiddenName is a new name that is swept like those of package output.
func hiddenName(key string) string {
	return fmt.Sprintf(".%s.sealift-%d-%s", key, os.Getpid(), strings.ToLower(rand.Text()[:8]))
}
