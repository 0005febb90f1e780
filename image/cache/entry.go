package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/output"
)

// Info describes an entry.
type Info struct {
	ID
	// Description is what Put was told, as one line of at most 200 bytes
	// without control characters.
	Description string
	// Size is the length of the content in bytes.
	Size int64
	// Created is when the entry was made, to the second.
	Created time.Time
	// Used is when the entry was last asked for.
	Used time.Time
}

// Entry is the content of an entry, open for reading at any offset. Whatever
// becomes of the entry in the cache, it stays readable until it is closed.
type Entry struct {
	*io.SectionReader
	file *os.File
	info Info
}

// Info describes the entry as it was when it was opened.
func (e *Entry) Info() Info { return e.info }

// File returns the open file, for those who need a descriptor. The content is
// its first Size bytes; something follows it. The caller must neither write to
// the file nor close it.
func (e *Entry) File() *os.File { return e.file }

// Close closes the entry.
func (e *Entry) Close() error { return e.file.Close() }

// errDamaged marks an entry that is not what Put made.
var errDamaged = errors.New("damaged")

// Get opens an entry and notes its use. One that is missing is fs.ErrNotExist,
// and so is one that was found damaged: cut short, or not a file of the
// caller's. That one is removed.
func (c *Cache) Get(id ID) (*Entry, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	dir, err := c.kind(id.Kind)
	if err != nil {
		return nil, err
	}
	e, err := c.get(dir, id)
	return e, errors.Join(err, dir.Close())
}

func (c *Cache) get(dir *os.File, id ID) (*Entry, error) {
	e, err := c.open(dir, id)
	if err != nil {
		return nil, err
	}
	// Only the order of eviction depends on it, and a cache that may only be
	// read has none.
	now := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	_ = unix.UtimesNanoAt(int(dir.Fd()), id.Key, now, unix.AT_SYMLINK_NOFOLLOW)
	return e, nil
}

// open opens an entry; it removes a damaged one and returns fs.ErrNotExist.
func (c *Cache) open(dir *os.File, id ID) (*Entry, error) {
	e, err := openEntry(dir, id)
	if !errors.Is(err, errDamaged) {
		return e, err
	}
	c.warn(err)
	// Another process may have replaced it since; then a good entry goes, and
	// is made again when it is wanted.
	err = output.RemoveIn(dir, id.Key)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cache entry %s was damaged: %w", id, fs.ErrNotExist)
	}
	return nil, fmt.Errorf("damaged cache entry %s: %w: %w", id, fs.ErrNotExist, err)
}

// openEntry opens an entry and reads its footer.
func openEntry(dir *os.File, id ID) (*Entry, error) {
	fd, err := openat(dir, id.Key, unix.O_RDONLY, 0)
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO, unix.EACCES: // a symbolic link, a socket, another user's
		return nil, damaged(id, err)
	default:
		return nil, &fs.PathError{Op: "open", Path: dir.Name() + "/" + id.Key, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir.Name()+"/"+id.Key)
	e, err := readEntry(f, id)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return e, nil
}

func readEntry(f *os.File, id ID) (*Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, damaged(id, errors.New("it is not a regular file"))
	case !isOwn(&st) || st.Mode&0o022 != 0:
		return nil, damaged(id, errors.New("someone else may have written it"))
	}
	end := make([]byte, min(st.Size, maxFooter))
	if _, err := f.ReadAt(end, st.Size-int64(len(end))); err != nil && err != io.EOF {
		return nil, err
	}
	foot, err := parseFooter(end, st.Size, id)
	if err != nil {
		return nil, damaged(id, err)
	}
	return newEntry(f, id, foot, time.Unix(st.Mtim.Unix())), nil
}

func newEntry(f *os.File, id ID, foot footer, used time.Time) *Entry {
	return &Entry{
		SectionReader: io.NewSectionReader(f, 0, foot.size),
		file:          f,
		info:          Info{id, foot.description, foot.size, foot.created, used},
	}
}

func damaged(id ID, cause error) error {
	return fmt.Errorf("cache entry %s is %w and counts as missing: %w", id, errDamaged, cause)
}
