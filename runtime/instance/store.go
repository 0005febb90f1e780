package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/userdir"
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

// directory is that of instances in each base.
const directory = "instances"

// noJob is the directory of instances of no job.
const noJob = "none"

// Store is where the instances of a user are kept.
type Store struct {
	uid   uint32
	bases []userdir.Base // the first one is for new instances
	job   string
	host  string
}

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
	s.bases = userdir.Bases(in.UID, in.RuntimeDir)
	return s, nil
}

// file is the path of a file of an instance, for messages and lists.
func file(b userdir.Base, job, name string, more ...string) string {
	return filepath.Join(append([]string{b.Path(), directory, job, name}, more...)...)
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
