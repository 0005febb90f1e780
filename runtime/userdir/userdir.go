// Package userdir finds and makes directories of this node that belong to a user alone,
// for sockets, locks and states: below XDG_RUNTIME_DIR, or else in /tmp.
//
// Input: a user, and what the environment says. Output: open directories. What others
// could have made, or can look into, is refused. It must not print.
package userdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Base is a directory that is the user's alone, or is to be made.
type Base struct {
	Parent, Name string
	uid          uint32
}

// Bases returns the directories in which things of a user may be. The first one is for
// new ones. runtimeDir is XDG_RUNTIME_DIR, or empty; it is passed over unless it is the
// user's alone.
func Bases(uid uint32, runtimeDir string) []Base {
	number := strconv.FormatUint(uint64(uid), 10)
	usual := "/run/user/" + number
	list := add(nil, uid, runtimeDir)
	list = append(list, Base{"/tmp", "sealift-" + number, uid})
	if runtimeDir != usual {
		list = add(list, uid, usual) // where those may be that were started with the variable
	}
	return list
}

// add adds a directory of the user's alone, if it is one.
func add(list []Base, uid uint32, dir string) []Base {
	if !filepath.IsAbs(dir) {
		return list
	}
	if f, err := openPrivate(dir, uid); err == nil {
		f.Close()
		list = append(list, Base{dir, "sealift", uid})
	}
	return list
}

// openPrivate opens a directory that belongs to the user alone.
func openPrivate(dir string, uid uint32) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir)
	if err := Check(f, uid); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Check fails unless f belongs to the user, and to nobody else.
func Check(f *os.File, uid uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if st.Uid != uid {
		return fmt.Errorf("%s belongs to user %d, not %d", f.Name(), st.Uid, uid)
	}
	if st.Mode&0o077 != 0 {
		return fmt.Errorf("%s is open to others: its mode is %04o", f.Name(), st.Mode&0o7777)
	}
	return nil
}

// Path returns the path of b, for messages.
func (b Base) Path() string { return filepath.Join(b.Parent, b.Name) }

// ErrNotOurs is that a directory is there which is not the user's alone.
var ErrNotOurs = errors.New("a directory of this user's containers cannot be trusted")

// attempts is how often a directory is made that others remove at once.
const attempts = 100

// Open opens the directory sub of b; create makes what is missing. It may be ErrNotOurs.
func (b Base) Open(sub string, create bool) (*os.Root, error) {
	for n := 1; ; n++ {
		root, err := b.open(sub, create)
		// Who has used it last removes it when it is empty.
		if !create || n == attempts || !errors.Is(err, fs.ErrNotExist) {
			return root, err
		}
	}
}

func (b Base) open(sub string, create bool) (*os.Root, error) {
	dir := b.Path()
	uid := b.uid
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	f, err := openPrivate(dir, uid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%w: %w", ErrNotOurs, err),
			"remove %s, or have its owner do so; or set XDG_RUNTIME_DIR to a directory of yours with mode 0700", dir)
	}
	defer f.Close()
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return Below(root, sub, uid, create)
}

// Below opens a directory in root that is the user's alone.
func Below(root *os.Root, name string, uid uint32, create bool) (*os.Root, error) {
	if create {
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := Check(f, uid); err != nil {
		return nil, err
	}
	return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
}
