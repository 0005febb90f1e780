package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
)

// Budgets of system calls for starting a container on a directory, besides those of
// the Go runtime. What they are spent on:
//
//   - The launching process reads some twenty files that the container follows from
//     (three or four calls each), looks at the image's directories (half of them all:
//     openat2, fstat, close) and at the host's that are mounted, and makes pipes, a
//     socket and a process with its id maps.
//   - The starter has seven calls for each of eight binds, a dozen for the overlay
//     below them, one for each of the forty capabilities that it drops, and a process.
//
// The runtime makes more than both together: a pair of rt_sigaction(2) for each of
// 65 signals in each process, and whatever its scheduler needs.
const (
	launcherCalls = 450
	starterCalls  = 270
)

// runtimeCalls are those of the Go runtime: its memory, threads, signals, and the
// poller of files.
var runtimeCalls = strings.Fields(`arch_prctl brk clone clone3 epoll_create1 epoll_ctl epoll_pwait eventfd2 exit exit_group
	futex getpid getrandom gettid madvise mmap mprotect munmap nanosleep prlimit64 rseq rt_sigaction rt_sigprocmask
	rt_sigreturn sched_getaffinity sched_yield set_robust_list set_tid_address sigaltstack tgkill`)

// TestSystemCalls counts the system calls of a start. The image is a directory: a
// launcher that is traced serves no files in time.
func TestSystemCalls(t *testing.T) {
	asUser(t, "^TestSystemCalls$")
	sealift, image := busyboxImage(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		apart.Skip(t, "no strace")
	}
	dir := t.TempDir()
	tree, trace := filepath.Join(dir, "tree"), filepath.Join(dir, "trace")
	if out, err := exec.Command(sealift, "image", "unpack", image, tree).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(strace, "-f", "-qq", "-o", trace, sealift, "exec", tree, "/bin/true")
	cmd.Dir, cmd.Env = "/", []string{"HOME=" + dir, "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls := callsByProcess(t, string(text))
	for i, budget := range []int{launcherCalls, starterCalls} {
		who := []string{"launcher", "starter"}[i]
		own, others := 0, 0
		for call, n := range calls[i] {
			if slices.Contains(runtimeCalls, call) {
				others += n
			} else {
				own += n
			}
		}
		t.Logf("%s: %d system calls, and %d of the runtime's", who, own, others)
		if own > budget {
			var most []string
			for _, call := range slices.SortedFunc(maps.Keys(calls[i]), func(a, b string) int { return calls[i][b] - calls[i][a] }) {
				most = append(most, call+" "+strconv.Itoa(calls[i][call]))
			}
			t.Errorf("the %s makes %d system calls, more than %d: %s", who, own, budget, strings.Join(most, ", "))
		}
	}
}

// callsByProcess counts the calls of each process of a trace, all of its threads
// together, in the order in which the processes began.
func callsByProcess(t *testing.T, trace string) (calls []map[string]int) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^(\d+) +(<\.\.\. )?([a-z0-9_]+)([ (].*)$`)
	child := regexp.MustCompile(`= (\d+)$`)
	process, thread := map[string]int{}, map[string]bool{} // by thread; whether its clone in progress makes a thread
	of := func(tid string) int {
		n, known := process[tid]
		if !known {
			n = len(calls)
			process[tid] = n
			calls = append(calls, map[string]int{})
		}
		return n
	}
	for _, m := range line.FindAllStringSubmatch(trace, -1) {
		tid, resumed, call, rest := m[1], m[2] != "", m[3], m[4]
		n := of(tid)
		if !resumed {
			calls[n][call]++
		}
		if !strings.HasPrefix(call, "clone") {
			continue
		}
		if !resumed {
			thread[tid] = strings.Contains(rest, "CLONE_THREAD")
		}
		if c := child.FindStringSubmatch(rest); c != nil && thread[tid] {
			// What the thread did before its maker's call returned is its own record.
			if early, known := process[c[1]]; known {
				maps.Copy(calls[n], sum(calls[n], calls[early]))
				calls[early] = nil
			}
			process[c[1]] = n
		}
	}
	return slices.DeleteFunc(calls, func(c map[string]int) bool { return c == nil })
}

func sum(a, b map[string]int) map[string]int {
	out := maps.Clone(a)
	for call, n := range b {
		out[call] += n
	}
	return out
}

func TestCallsByProcess(t *testing.T) {
	got := callsByProcess(t, `10 execve("/x", ["x"], 0x1) = 0
10 clone3({flags=CLONE_VM|CLONE_THREAD}, 88 <unfinished ...>
11 futex(0x1) = 0
10 <... clone3 resumed> => {parent_tid=[0]}, 88) = 11
11 close(3 <unfinished ...>
10 clone(flags=CLONE_NEWUSER|SIGCHLD <unfinished ...>
12 execve("/y", ["y"], 0x1) = 0
10 <... clone resumed>) = 12
11 <... close resumed>) = 0
12 close(4) = 0
`)
	want := []map[string]int{{"execve": 1, "clone3": 1, "futex": 1, "close": 1, "clone": 1}, {"execve": 1, "close": 1}}
	if len(got) != 2 || !maps.Equal(got[0], want[0]) || !maps.Equal(got[1], want[1]) {
		t.Errorf("%v", got)
	}
}
