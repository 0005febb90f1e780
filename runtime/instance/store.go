package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Inputs say whose instances are meant.
type Inputs struct {
	UID uint32
	// RuntimeDir is XDG_RUNTIME_DIR, or empty. It is passed over unless it is the
	// user's alone.
	RuntimeDir string
	// Job is the number of the job of the batch system that this process is in, or
	// empty: then the instances of all jobs are meant.
	Job string
}

// noJob is the directory of instances of no job.
const noJob = "none"

// Store is where the instances of a user are kept.
type Store struct {
	uid   uint32
	bases []base // the first one is for new instances
	job   string
	host  string
}

// base is a directory that is the user's alone, or is to be made.
type base struct{ parent, name string }

// New returns the store of a user. Nothing needs to be there yet.
func New(in Inputs) (*Store, error) {
	host, err := Here()
	if err != nil {
		return nil, err
	}
	s := &Store{uid: in.UID, job: in.Job, host: host}
	if in.Job != "" && CheckName(in.Job) != nil {
		return nil, hint.New(fmt.Sprintf("%q is not the number of a job", in.Job), "unset SLURM_JOB_ID")
	}
	uid := strconv.FormatUint(uint64(in.UID), 10)
	usual := "/run/user/" + uid
	s.add(in.RuntimeDir)
	s.bases = append(s.bases, base{"/tmp", "sealift-" + uid})
	if in.RuntimeDir != usual {
		s.add(usual) // where those may be that were started with the variable
	}
	return s, nil
}

// add adds a directory of the user's alone, if it is one.
func (s *Store) add(dir string) {
	if !filepath.IsAbs(dir) {
		return
	}
	if f, err := openPrivate(dir, s.uid); err == nil {
		f.Close()
		s.bases = append(s.bases, base{dir, "sealift"})
	}
}

// openPrivate opens a directory that belongs to the user alone.
func openPrivate(dir string, uid uint32) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir)
	if err := private(f, uid); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// private fails unless f belongs to the user, and to nobody else.
func private(f *os.File, uid uint32) error {
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

// open opens the directory of instances in b; create makes what is missing.
func (b base) open(uid uint32, create bool) (*os.Root, error) {
	dir := filepath.Join(b.parent, b.name)
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
		return nil, hint.Wrap(fmt.Errorf("the directory of instances cannot be trusted: %w", err),
			"remove %s, or have its owner do so; or set XDG_RUNTIME_DIR to a directory of yours with mode 0700", dir)
	}
	defer f.Close()
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return below(root, "instances", uid, create)
}

// below opens a directory in root that is the user's alone.
func below(root *os.Root, name string, uid uint32, create bool) (*os.Root, error) {
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
	if err := private(f, uid); err != nil {
		return nil, err
	}
	return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
}

// path is that of a file of an instance, for messages and lists.
func (b base) path(job, name string, file ...string) string {
	return filepath.Join(append([]string{b.parent, b.name, "instances", job, name}, file...)...)
}

// jobs returns the names of the directories of jobs that count, in an open directory of
// instances.
func (s *Store) jobs(root *os.Root) ([]string, error) {
	if s.job != "" {
		return []string{s.job}, nil
	}
	return names(root)
}

// names lists a directory, sorted.
func names(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	slices.Sort(list)
	return list, err
}
