package output

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CreateIn is Create for a name in an open directory, wherever that has been
// moved. Name must be a single name; in errors it follows dir's.
func CreateIn(dir *os.File, name string, o Options) (*File, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(int(dir.Fd()), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("create %s/%s: %w", dir.Name(), name, err)
	}
	return create(&target{dir.Name() + "/" + name, os.NewFile(uintptr(fd), dir.Name()), name}, o)
}

// SweepIn is Sweep for an open directory, except that the names begin with
// exactly the prefix.
func SweepIn(dir *os.File, prefix string) error { return sweep(dir, prefix) }

// RemoveIn removes what dir has under name, a directory with all that is below
// it. It follows no symbolic link and refuses to cross a mount. What is not
// there is fs.ErrNotExist.
func RemoveIn(dir *os.File, name string) error {
	fd := int(dir.Fd())
	err := unix.Unlinkat(fd, name, 0)
	if err != unix.EISDIR {
		return pathError("remove", dir.Name()+"/"+name, err)
	}
	sub, err := openBelow(fd, name)
	if err != nil {
		return pathError("remove", dir.Name()+"/"+name, err)
	}
	return errors.Join(removeTree(fd, name, sub), sub.Close())
}
