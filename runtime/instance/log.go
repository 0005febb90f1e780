package instance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Rotation says how much a log keeps.
type Rotation struct {
	// Size is how many bytes a file gets before the next one is begun, Files how
	// many files there are, the current one included.
	Size  int64
	Files int
}

// Log is a log file in the directory of an instance. Writing never fails: a full file
// system is no reason to end a container.
type Log struct {
	root *os.Root
	name string
	r    Rotation

	mu   sync.Mutex
	f    *os.File // nil when it could not be opened
	size int64
}

// Logs returns the logs of the standard output and of the standard error.
func (c *Claim) Logs(r Rotation) (out, err *Log) {
	return &Log{root: c.root, name: c.Name + ".out", r: r}, &Log{root: c.root, name: c.Name + ".err", r: r}
}

// Write appends p, and begins a new file where the current one is full: between two
// lines, unless one is longer than a file.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		if l.f == nil {
			l.open()
		}
		n := l.fits(rest)
		if n == 0 && l.rotate() {
			continue
		}
		if n == 0 {
			n = len(rest) // past the limit: the file cannot be moved
		}
		if l.f != nil {
			l.f.Write(rest[:n])
		}
		l.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// fits returns how much of p, which is not empty, goes into the current file.
func (l *Log) fits(p []byte) int {
	room := max(l.r.Size-l.size, 0)
	if int64(len(p)) <= room {
		return len(p)
	}
	n := bytes.LastIndexByte(p[:room], '\n') + 1
	if n == 0 && l.size == 0 {
		n = int(max(room, 1))
	}
	return n
}

func (l *Log) open() {
	f, err := l.root.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return
	}
	l.f, l.size = f, info.Size()
}

// rotate renames the files, each to the next number; the last one is lost. It tells whether
// a new file can be begun.
func (l *Log) rotate() bool {
	if l.r.Files <= 1 {
		l.root.Remove(l.name)
	}
	for n := l.r.Files - 1; n > 0; n-- {
		l.root.Rename(numbered(l.name, n-1), numbered(l.name, n)) // it may be missing
	}
	if _, err := l.root.Lstat(l.name); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	l.size = 0
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
	return true
}

func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "." + strconv.Itoa(n)
}

// Close closes the file. What is written later opens it again.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// Open makes the file, for who looks for it before anything is written.
func (l *Log) Open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		l.open()
	}
	if l.f == nil {
		return fmt.Errorf("log file %s cannot be made", l.name)
	}
	return nil
}

// Reader reads a log, oldest file first.
type Reader struct {
	i    *Instance
	name string
	f    *os.File
	rest []string // files still to come
}

// Read returns a reader of the standard output, or else the standard error.
func (i *Instance) Read(stderr bool) *Reader {
	r := &Reader{i: i, name: i.Name + ".out"}
	if stderr {
		r.name = i.Name + ".err"
	}
	for n := maxFiles; n >= 0; n-- {
		r.rest = append(r.rest, numbered(r.name, n))
	}
	return r
}

// maxFiles is the highest number of a file that is looked for.
const maxFiles = 99

// Copy writes what there is and has not been copied yet.
func (r *Reader) Copy(w io.Writer) error {
	if r.f != nil {
		if _, err := io.Copy(w, r.f); err != nil {
			return err
		}
		if !r.rotated() {
			return nil
		}
		// What has been written before it was renamed, and the files after it.
		_, err := io.Copy(w, r.f)
		r.rest = r.after()
		if r.Close(); err != nil {
			return err
		}
	}
	for len(r.rest) > 0 {
		f, err := r.i.openFile(r.rest[0], os.O_RDONLY)
		last := len(r.rest) == 1
		if last && err != nil {
			return nil // it is going to be there
		}
		r.rest = r.rest[1:]
		if err != nil {
			continue
		}
		r.f = f
		if _, err := io.Copy(w, f); err != nil || last {
			r.rest = []string{r.name}
			return err
		}
		r.Close()
	}
	return nil
}

// rotated says whether the file that is being read is not the current one any more.
func (r *Reader) rotated() bool {
	mine, err := r.f.Stat()
	if err != nil {
		return false
	}
	now, err := r.i.root.Lstat(r.name)
	return err == nil && !os.SameFile(mine, now)
}

// after lists the files that follow the one that is being read.
func (r *Reader) after() []string {
	mine, err := r.f.Stat()
	var rest []string
	for n := range maxFiles + 1 {
		name := numbered(r.name, n)
		now, err2 := r.i.root.Lstat(name)
		if err != nil || err2 != nil || os.SameFile(mine, now) {
			break
		}
		rest = append([]string{name}, rest...)
	}
	return rest
}

// Close frees r.
func (r *Reader) Close() {
	if r.f != nil {
		r.f.Close()
		r.f = nil
	}
}
