// Package probe finds out what package doctor judges.
//
// Input: what only main may read. Output: doctor.Findings. What can be tried is
// tried: containers are made by the starter, in the way that every container is;
// files are made and locked, device nodes opened, programs of the host run. It
// leaves nothing behind, waits for nothing longer than it is told to, and judges
// nothing.
package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/host"
)

// Inputs is what only main may read.
type Inputs struct {
	// Environ is the environment, NAME=value, and Cwd the working directory.
	Environ []string
	Cwd     string
	// Program is the path of sealift.
	Program string
	// Cache is the directory of the cache, and CacheErr why there is none.
	Cache    string
	CacheErr error
	// TmpDir is the directory for temporary files.
	TmpDir string
	// Patience is how long to wait for an answer, of file systems too.
	Patience time.Duration
}

// machine is what all parts look at.
type machine struct {
	Inputs
	host *host.Facts
}

// part finds out something, and returns what puts that into the findings. It may
// never return: a system call on a network file system whose server is gone does
// not.
type part struct {
	checks []string // that depend on it
	find   func(context.Context, *machine) func(*doctor.Findings)
}

func parts() []part {
	return []part{
		{[]string{"userns", "proc", "fuse", "overlay", "subids"}, containers},
		{[]string{"cgroup"}, groups},
		{[]string{"slurm", "pmi"}, srun},
		{[]string{"mpi"}, launchers},
		{[]string{"gpu"}, gpu},
		{[]string{"fabric"}, fabric},
		{[]string{"cache"}, cache},
		{[]string{"tmpdir"}, tmpdir},
		{[]string{"session"}, session},
		{[]string{"network", "extfs"}, programs},
	}
}

// Gather looks at the machine. It fails where host.Probe does.
func Gather(ctx context.Context, in Inputs) (doctor.Findings, error) {
	h, err := host.Probe(host.Inputs{Environ: in.Environ, Cwd: in.Cwd, SubIDs: true, Notify: true, Cgroups: true})
	if err != nil {
		return doctor.Findings{}, err
	}
	if real, err := filepath.EvalSymlinks(in.Program); err == nil {
		in.Program = real
	}
	m := &machine{in, h}
	f := doctor.Findings{Host: h, Program: in.Program, Patience: int(in.Patience.Seconds()), OpenFDs: openFDs()}
	gather(ctx, m, parts(), &f)
	return f, context.Cause(ctx)
}

// gather lets all parts look at the same time. Those that end with their context
// tell why; those that do not are late.
func gather(ctx context.Context, m *machine, parts []part, f *doctor.Findings) {
	polite, cancel := context.WithTimeout(ctx, m.Patience)
	defer cancel()
	final, cancel := context.WithTimeout(ctx, m.Patience+grace)
	defer cancel()
	answers := make([]chan func(*doctor.Findings), len(parts))
	for i, p := range parts {
		answers[i] = make(chan func(*doctor.Findings), 1)
		go func() { answers[i] <- p.find(polite, m) }()
	}
	for i, p := range parts {
		select {
		case put := <-answers[i]:
			put(f)
			continue
		case <-final.Done():
		}
		select {
		case put := <-answers[i]: // it came while others were waited for
			put(f)
		default:
			f.Late = append(f.Late, p.checks...)
		}
	}
}

// grace is how long a part may take to end after its context has.
const grace = time.Second

// read returns the content of a small file, or nothing: one that is missing or
// closed tells as much as an empty one.
func read(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// errno is the system call's error in err, 0 where there is none.
func errno(err error) unix.Errno {
	var n unix.Errno
	errors.As(err, &n)
	return n
}

// openFDs lists the descriptors above 2 that were inherited. Those of this process
// are closed when another program is executed.
func openFDs() []int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var fds []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds
}
