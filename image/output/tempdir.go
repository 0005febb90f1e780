package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// abandoned is the age from which an unlocked leftover is removed, or by how much
// it is of the future, as where a clock was wrong. It covers the moment between
// the making of a file and its lock, and clocks of network file systems that differ.
const abandoned = time.Hour

// Dir is a temporary directory of this process, mode 0700, locked while open.
type Dir struct {
	parent *os.File
	dir    *os.File
	name   string
	path   string
}

// TempDir makes a directory in parent whose name begins with prefix. Parent
// must not be one where any other user could replace what is in it.
func TempDir(parent, prefix string) (*Dir, error) {
	p, err := os.OpenFile(parent, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	d, err := tempDirIn(p, prefix)
	if err != nil {
		err = Explain(fmt.Errorf("make a temporary directory in %s: %w", parent, err), parent)
		return nil, errors.Join(err, p.Close())
	}
	d.path = filepath.Join(parent, d.name)
	return d, nil
}

// tempDirIn takes ownership of p when it succeeds.
func tempDirIn(p *os.File, prefix string) (*Dir, error) {
	if err := checkShared(p); err != nil {
		return nil, err
	}
	name, err := uniqueName(prefix+"-", func(name string) error {
		return unix.Mkdirat(int(p.Fd()), name, 0o700)
	})
	if err != nil {
		return nil, err
	}
	d, err := claim(int(p.Fd()), name)
	if err != nil {
		return nil, errors.Join(err, unix.Unlinkat(int(p.Fd()), name, unix.AT_REMOVEDIR))
	}
	return &Dir{parent: p, dir: d, name: name}, nil
}

// checkShared refuses a directory in which anyone may rename anything: not
// sticky, and writable by all.
func checkShared(d *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&0o002 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return hint.New("anyone may replace what is in that directory",
			"set its sticky bit, or set TMPDIR to a directory of your own")
	}
	return nil
}

// claim opens the directory just made, checks that it is the one (mkdir gives
// no descriptor), and locks it.
func claim(dir int, name string) (*os.File, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, pathError("open", name, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Uid != uint32(os.Geteuid()):
		err = fmt.Errorf("it belongs to user %d", st.Uid)
	case st.Mode&0o077 != 0:
		err = fmt.Errorf("its mode is %#o, not 0700", st.Mode&0o777)
	default:
		if err = unix.Fchmod(fd, 0o700); err == nil {
			err = lock(fd)
		}
	}
	if err != nil {
		return nil, errors.Join(pathError("open", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Path returns the directory's path, below parent as TempDir was given it.
func (d *Dir) Path() string { return d.path }

// File returns the open directory; the caller must not close it.
func (d *Dir) File() *os.File { return d.dir }

// Remove removes the directory and all that is below it. It follows no
// symbolic link and refuses to cross a mount, naming it. A second call does
// nothing.
func (d *Dir) Remove() error {
	if d.dir == nil {
		return nil
	}
	err := removeTree(int(d.parent.Fd()), d.name, d.dir)
	if err != nil {
		err = fmt.Errorf("remove %s: %w", d.path, err)
	}
	err = errors.Join(err, d.dir.Close(), d.parent.Close())
	d.dir = nil
	return err
}

// Sweep removes from parent the files and directories whose names begin with
// prefix and that their process left behind: they are this user's, nobody
// holds their lock, and they were last changed more than an hour ago. It
// returns the errors of those it could not remove.
func Sweep(parent, prefix string) error {
	p, err := os.OpenFile(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return errors.Join(sweep(p, prefix+"-"), p.Close())
}

func sweep(dir *os.File, prefix string) error {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return pathError("sweep", dir.Name(), err)
	}
	d := os.NewFile(uintptr(fd), dir.Name())
	var errs []error
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			if strings.HasPrefix(name, prefix) && len(errs) < 8 {
				errs = append(errs, sweepOne(fd, name))
			}
		}
		if err == io.EOF {
			return errors.Join(append(errs, d.Close())...)
		}
		if err != nil {
			return errors.Join(err, d.Close())
		}
	}
}

// sweepOne removes one leftover, unless it is in use, too young, or not ours.
func sweepOne(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || err == unix.ELOOP || err == unix.EACCES {
		return nil // gone, or nothing that this package makes
	}
	if err != nil {
		return pathError("sweep", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && isLeftover(fd, &st) {
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = removeTree(dir, name, f)
		} else {
			err = pathError("sweep", name, unix.Unlinkat(dir, name, 0))
		}
	}
	return errors.Join(err, f.Close())
}

func isLeftover(fd int, st *unix.Stat_t) bool {
	kind := st.Mode & unix.S_IFMT
	return (kind == unix.S_IFREG || kind == unix.S_IFDIR) &&
		st.Uid == uint32(os.Geteuid()) &&
		time.Since(time.Unix(st.Mtim.Unix())).Abs() > abandoned &&
		unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil
}
