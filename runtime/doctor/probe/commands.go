package probe

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/doctor"
)

// usual are directories of programs that need not be in PATH.
var usual = []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"}

// dirs are those of PATH, and the usual ones.
func (m *machine) dirs() []string {
	var list []string
	for _, kv := range m.Environ {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			list = filepath.SplitList(value)
			break
		}
	}
	list = slices.DeleteFunc(list, func(dir string) bool { return !filepath.IsAbs(dir) })
	for _, dir := range usual {
		if !slices.Contains(list, dir) {
			list = append(list, dir)
		}
	}
	return list
}

// find returns the path of a program, empty if there is none.
func (m *machine) find(name string) string {
	for _, dir := range m.dirs() {
		if path := filepath.Join(dir, name); executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && unix.Access(path, unix.X_OK) == nil
}

// passed are the variables that programs of the host may need to start, and none
// that say what job they are in.
var passed = []string{"PATH", "HOME", "LD_LIBRARY_PATH", "SLURM_CONF", "OPAL_PREFIX", "I_MPI_ROOT"}

// output runs a program that tells about itself. A failure is told in its own
// words, the last line.
func (m *machine) output(ctx context.Context, path string, args ...string) (text string, err error) {
	patience := m.Patience / 2 // several are run after each other
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{"LC_ALL=C"}, "/", patience/10
	for _, kv := range m.Environ {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(passed, name) {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	out, err := cmd.CombinedOutput()
	text = strings.TrimSpace(string(out))
	switch last := text[strings.LastIndexByte(text, '\n')+1:]; {
	case ctx.Err() != nil:
		return "", fmt.Errorf("no answer within %v", patience)
	case err != nil && last != "":
		return "", errors.New(last)
	}
	return text, err
}

// srun asks Slurm's launcher.
func srun(ctx context.Context, m *machine) func(*doctor.Findings) {
	s := doctor.Srun{Path: m.find("srun")}
	if s.Path != "" {
		var err, err2 error
		s.Version, err = m.output(ctx, s.Path, "--version")
		if err == nil {
			s.Kinds, err2 = m.output(ctx, s.Path, "--mpi=list")
		}
		if err := errors.Join(err, err2); err != nil {
			s.Err = err.Error()
		}
	}
	return func(f *doctor.Findings) { f.Srun = s }
}

// launcherNames are those of MPI launchers. Debian's have the family behind the
// name.
var launcherNames = []string{
	"mpirun", "mpiexec", "mpiexec.hydra", "prterun",
	"mpirun.openmpi", "mpirun.mpich", "mpirun.mvapich2",
}

// maxLaunchers bounds how many are asked.
const maxLaunchers = 8

// launchers asks the launchers of MPI programs. Several names may be one program's.
func launchers(ctx context.Context, m *machine) func(*doctor.Findings) {
	var list []doctor.Launcher
	seen := map[string]bool{}
	for _, dir := range m.dirs() {
		for _, name := range launcherNames {
			path := filepath.Join(dir, name)
			real, err := filepath.EvalSymlinks(path)
			if err != nil || seen[real] || len(list) == maxLaunchers || !executable(real) {
				continue
			}
			seen[real] = true
			l := doctor.Launcher{Path: path}
			if l.Output, err = m.output(ctx, path, "--version"); err != nil {
				l.Err = err.Error()
			}
			list = append(list, l)
		}
	}
	return func(f *doctor.Findings) { f.Launchers = list }
}

// programs looks for helpers.
func programs(_ context.Context, m *machine) func(*doctor.Findings) {
	found := map[string]string{}
	for _, name := range []string{"pasta", "slirp4netns", "fuse2fs"} {
		if path := m.find(name); path != "" {
			found[name] = path
		}
	}
	old := false
	if file, err := elf.Open(found["fuse2fs"]); err == nil {
		libraries, err := file.ImportedLibraries()
		old = err == nil && slices.Contains(libraries, "libfuse.so.2")
		file.Close() // which was only read
	}
	return func(f *doctor.Findings) { f.Programs, f.OldFuse = found, old }
}
