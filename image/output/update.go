package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Update changes a small file: change reads it and returns what takes its place,
// whole or not at all, with the mode perm; nil leaves it. Of several processes of
// this program that do so at a time, each sees what the one before wrote.
func Update(ctx context.Context, path string, perm fs.FileMode, change func() ([]byte, error)) error {
	unlock, err := lockBeside(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := change()
	if err != nil || text == nil {
		return err
	}
	out, err := Create(path, Options{Force: true, Mode: perm})
	if err != nil {
		return err
	}
	if _, err := out.File().Write(text); err != nil {
		return errors.Join(out.Explain(err), out.Abort())
	}
	return out.Commit()
}

// How long a lock of another process is waited for.
const (
	lockPause = 20 * time.Millisecond
	lockWait  = 30 * time.Second
)

// lockBeside keeps other processes of this program from changing a file, by a lock on
// a file beside it that is there meanwhile. Where the file system has no locks,
// the last one to write wins.
func lockBeside(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, hint.New(fmt.Sprintf("%s is being changed by another process", path),
		"try again when it has ended"))
	defer cancel()
	name := path + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if (err == nil || unsupported(err)) && current(f, name) {
			return func() {
				_ = os.Remove(name) // another process that waits finds it gone, and makes its own
				_ = f.Close()
			}, nil
		}
		_ = f.Close() // nothing was written
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) && !unsupported(err) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func unsupported(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// current says whether a name is still that of the open file.
func current(f *os.File, name string) bool {
	here, err1 := f.Stat()
	there, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(here, there)
}
