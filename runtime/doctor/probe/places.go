package probe

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/starter/mountinfo"
)

func cache(_ context.Context, m *machine) func(*doctor.Findings) {
	p := doctor.Place{}
	if m.CacheErr != nil {
		p.Err, p.Hint = m.CacheErr.Error(), hint.Of(m.CacheErr)
	} else {
		p = place(m.Cache)
	}
	return func(f *doctor.Findings) { f.Cache = p }
}

func tmpdir(_ context.Context, m *machine) func(*doctor.Findings) {
	p := place(m.TmpDir)
	return func(f *doctor.Findings) { f.TmpDir = p }
}

// session looks at what is only mounted on.
func session(_ context.Context, m *machine) func(*doctor.Findings) {
	p := look(m.host.SessionDir)
	return func(f *doctor.Findings) { f.Session = p }
}

// place looks at a directory that files are made in, and makes one.
func place(path string) doctor.Place {
	p := look(path)
	if p.Err != "" {
		return p
	}
	f, err := unnamed(p.At)
	p.Unnamed = err == nil
	if err != nil {
		if f, err = os.CreateTemp(p.At, ".sealift-doctor-"); err != nil {
			p.Write = errno(err)
			return p
		}
		p.Write = errno(os.Remove(f.Name()))
	}
	p.Lock = errno(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	if err := f.Close(); err != nil && p.Write == 0 {
		p.Write = errno(err)
	}
	return p
}

// unnamed makes a file that has no name (O_TMPFILE of open(2)).
func unnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// look tells what a directory is on.
func look(path string) doctor.Place {
	p := doctor.Place{Path: path}
	var st unix.Statfs_t
	for p.At = path; ; p.At = filepath.Dir(p.At) {
		err := unix.Statfs(p.At, &st)
		if err == nil {
			break
		}
		if err != unix.ENOENT || p.At == filepath.Dir(p.At) {
			p.Err = (&os.PathError{Op: "look at", Path: p.At, Err: err}).Error()
			return p
		}
	}
	block := uint64(st.Frsize)
	p.Free, p.Size, p.FreeFiles, p.Files = st.Bavail*block, st.Blocks*block, st.Ffree, st.Files
	if real, err := filepath.EvalSymlinks(p.At); err == nil {
		p.Type = typeOf(real, mounts())
	}
	return p
}

// typeOf returns the type of the file system that a path without links is on: that
// of the last mount on the nearest directory above it.
func typeOf(path string, table []mountinfo.Mount) (fstype string) {
	longest := -1
	for _, m := range table {
		within := m.Point == "/" || path == m.Point || strings.HasPrefix(path, m.Point+"/")
		if within && len(m.Point) >= longest {
			longest, fstype = len(m.Point), m.Type
		}
	}
	return fstype
}
