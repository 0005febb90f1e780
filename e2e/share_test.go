package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/slurm"
)

// sharing has job steps whose containers have what they need in common. A step tells that
// its ranks are there by files, and is told by the file "go" that they may end.
type sharing struct {
	*steps
	runtimeDir string // XDG_RUNTIME_DIR of the steps
}

// newSharing starts a cluster that is like this.
func newSharing(t *testing.T, o slurm.Options) *sharing {
	t.Helper()
	s := &sharing{steps: slurmStepsOn(t, o)}
	s.runtimeDir = filepath.Join(s.dir, "run")
	err := os.Mkdir(s.runtimeDir, 0o700)
	if os.Getuid() == 0 {
		err = errors.Join(err, os.Chown(s.runtimeDir, testUID, testUID))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// command returns a command of the test user's.
func (s *sharing) command(name string, args ...string) *exec.Cmd {
	cmd := s.steps.command(name, args...)
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+s.runtimeDir, "STEPS="+s.dir, "SEALIFT="+s.sealift, "USER_ID="+strconv.Itoa(testUID))
	return cmd
}

// write writes a file there, executable.
func (s *sharing) write(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		s.Fatal(err)
	}
	return path
}

// own returns the processes that are Sealift's programs themselves.
func (s *sharing) own() (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		program, err := os.Readlink(link) // it may have ended, or be somebody else's
		if err == nil && filepath.Dir(program) == filepath.Dir(s.sealift) && strings.HasPrefix(filepath.Base(program), "sealift") {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}

// payload returns the process of a rank: "mark-1" ends the command line of rank 1.
func (s *sharing) payload(mark string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	own := s.own()
	for _, name := range files {
		text, err := os.ReadFile(name)
		pid := filepath.Base(filepath.Dir(name))
		if err == nil && bytes.HasSuffix(text, []byte("\x00"+mark+"\x00")) && bytes.HasPrefix(text, []byte("sh\x00")) && !slices.Contains(own, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// step is a running step.
type step struct {
	*exec.Cmd
	out bytes.Buffer
}

// started begins the programs of a step and waits until all ranks have said so.
func (s *sharing) started(ranks int, name string, args ...string) *step {
	s.Helper()
	x := &step{Cmd: s.command(name, args...)}
	x.Stdout, x.Stderr = &x.out, &x.out
	if err := x.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = x.Process.Kill() }) // it has ended, if all is well
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if files, _ := filepath.Glob(filepath.Join(s.dir, "ready.*")); len(files) == ranks {
			return x
		} else if time.Now().After(deadline) {
			_ = x.Process.Kill() // it is why its output goes on
			_ = x.Wait()
			s.Fatalf("after a minute, %d of %d ranks are there: %s", len(files), ranks, &x.out)
		}
	}
}

// ranksScript has every rank of a step start a container, in which $SCRIPT is the payload
// and the number of the rank its first argument.
const ranksScript = `exec "$SEALIFT" exec $FLAGS "${PY:-$IMAGE}" sh -c "$SCRIPT" "$MARK-$SLURM_PROCID"`

// clean fails unless everything of the steps is gone, and gets ready for the next ones. What
// is left of a server that was killed goes with the next start. Where Slurm has control
// groups, it kills what is in a step as soon as its last task has ended.
func (s *sharing) clean(t *testing.T, mark string, killed bool) {
	t.Helper()
	waitFor(t, "free nodes", func() bool {
		idle, err := s.command("sinfo", "-h", "-t", "idle", "-o", "%D").Output()
		return err == nil && strings.TrimSpace(string(idle)) == "2"
	})
	if killed || os.Getuid() == 0 {
		if out, err := s.command(s.sealift, "exec", "--share=on", s.image, "true").CombinedOutput(); err != nil {
			t.Errorf("the next start: %v, %s", err, out)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); len(s.own()) > 0 || running(t, mark); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("processes are left: Sealift's %s, the payload's %s", s.own(), s.payload(mark))
			break
		}
	}
	if left := leftovers(t); left != "" {
		t.Errorf("mounts are left: %s", left)
	}
	err := filepath.WalkDir(s.runtimeDir, func(path string, _ fs.DirEntry, err error) error {
		if path != s.runtimeDir {
			t.Errorf("%s is left", path)
		}
		return err
	})
	names, err2 := filepath.Glob(filepath.Join(s.dir, "[rgs]*.*")) // ready.*, started.*
	for _, name := range append(names, filepath.Join(s.dir, "go")) {
		err = errors.Join(err, os.RemoveAll(name))
	}
	if err = errors.Join(err, err2); err != nil {
		t.Error(err)
	}
}

// waiting is a payload that is there until it is told to end.
const waiting = `cd "$STEPS"; readlink /proc/self/ns/user; echo >ready.$SLURM_PROCID; while [ ! -e go ]; do sleep 0.2; done`

// onlyRoot skips a test that looks into the server, which lets nobody do so. Its containers
// are the test user's all the same.
func onlyRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can look into a server")
	}
}

// TestShareOnce: all ranks of a node have one server and one user namespace, and what
// Sealift has in memory is a fraction of what it has for containers on their own.
func TestShareOnce(t *testing.T) {
	onlyRoot(t)
	const ranks = 64
	s := newSharing(t, slurm.Options{CPUs: ranks})
	used := map[string]int64{}
	for _, share := range []string{"auto", "off"} {
		mark := fmt.Sprintf("sealift-once-%d", os.Getpid())
		cmd := []string{"env", "SEALIFT_SHARE=" + share, "SCRIPT=" + waiting, "MARK=" + mark, "srun", "-w", "node1", "-n" + strconv.Itoa(ranks), "sh", "-c", ranksScript}
		x := s.started(ranks, cmd[0], cmd[1:]...)
		own := s.own()
		servers := slices.DeleteFunc(slices.Clone(own), func(pid string) bool { return !serves(t, pid) })
		used[share] = proportional(t, own)
		s.write("go", "")
		if err := x.Wait(); err != nil {
			t.Errorf("%s: %v", share, err)
		}
		namespaces := slices.Compact(slices.Sorted(strings.SplitSeq(strings.TrimSpace(x.out.String()), "\n")))
		if share == "auto" && (len(servers) != 1 || len(namespaces) != 1) {
			t.Errorf("%d servers, user namespaces: %q", len(servers), namespaces)
		}
		t.Logf("%s: %d processes of Sealift, %d servers, %d user namespaces, %.1f MB", share, len(own), len(servers), len(namespaces), float64(used[share])/1e6)
		s.clean(t, mark, false)
	}
	if used["auto"]*8 > used["off"] {
		t.Errorf("%d bytes in memory, of %d", used["auto"], used["off"])
	}
}

// serves tells whether a process serves files.
func serves(t *testing.T, pid string) bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(fds, func(fd fs.DirEntry) bool {
		what, err := os.Readlink("/proc/" + pid + "/fd/" + fd.Name()) // it may be closed
		return err == nil && what == "/dev/fuse"
	})
}

// proportional returns the bytes that processes have in memory, with their parts of what
// they have in common.
func proportional(t *testing.T, pids []string) (sum int64) {
	t.Helper()
	for _, pid := range pids {
		sum += number(t, "/proc/"+pid+"/smaps_rollup", "Pss:") << 10
	}
	return sum
}

// number returns that of a line of a file of /proc.
func number(t *testing.T, path, name string) (n int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			_, err := fmt.Sscan(rest, &n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return 0
}

// TestShareReads: what eight ranks import at once is read from the image once.
func TestShareReads(t *testing.T) {
	onlyRoot(t)
	env := images(t)
	if env["DEBIAN"] == "" {
		t.Skip("needs the Debian fixture")
	}
	py, err := buildOnce(env["STAGE"], "PY", "oci:"+env["DEBIAN"])
	if err != nil {
		t.Fatal(err)
	}
	s := newSharing(t, slurm.Options{CPUs: 8})
	read := map[int]int64{}
	for _, ranks := range []int{1, 8} {
		mark := fmt.Sprintf("sealift-reads-%d", os.Getpid())
		x := s.started(ranks, "env", "SEALIFT_SHARE=on", "PY="+py, "SCRIPT=python3 -c 'import numpy' && "+waiting, "MARK="+mark,
			"srun", "-w", "node1", "-n"+strconv.Itoa(ranks), "sh", "-c", ranksScript)
		for _, pid := range s.own() {
			read[ranks] += number(t, "/proc/"+pid+"/io", "rchar:")
		}
		s.write("go", "")
		if err := x.Wait(); err != nil {
			t.Errorf("%d ranks: %v, %s", ranks, err, &x.out)
		}
		s.clean(t, mark, false)
	}
	t.Logf("read from the image: %.1f MB for one rank, %.1f MB for eight", float64(read[1])/1e6, float64(read[8])/1e6)
	if read[1] < 1e6 || float64(read[8]) > 1.2*float64(read[1]) {
		t.Errorf("read from the image: %d bytes for one rank, %d for eight", read[1], read[8])
	}
}
