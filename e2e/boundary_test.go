package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inContainer runs a shell script in the image, in the root directory.
func inContainer(t *testing.T, flags []string, script string, files ...*os.File) (string, int) {
	t.Helper()
	sealift, image := busyboxImage(t)
	cmd := exec.Command(sealift, append(append([]string{"exec"}, flags...), image, "sh", "-c", script)...)
	cmd.Dir, cmd.ExtraFiles = "/", files
	out, _ := cmd.CombinedOutput() // the status tells
	return string(out), cmd.ProcessState.ExitCode()
}

// TestDescriptorLeaksT74 has thirty directories of the host open. The payload gets
// these, and under --contain none; it gets nothing of Sealift's own.
func TestDescriptorLeaksT74(t *testing.T) {
	asUser(t, "^TestDescriptorLeaksT74$")
	var files []*os.File
	for i := range 30 {
		dir, err := os.Open([]string{"/", "/etc", "/usr"}[i%3])
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		files = append(files, dir)
	}
	const list = `for f in /proc/$$/fd/*; do echo "${f##*/} $(readlink $f)"; done | sort -n`
	plain := exec.Command("sh", "-c", list)
	plain.Dir, plain.ExtraFiles = "/", files
	want, err := plain.CombinedOutput()
	if err != nil || bytes.Count(want, []byte("\n")) < 33 {
		t.Fatalf("%v: %s", err, want)
	}
	numbers := func(lines string) string {
		var out []string
		for line := range strings.Lines(lines) {
			number, target, _ := strings.Cut(strings.TrimSpace(line), " ")
			if target == "" {
				continue // by which the shell has read the directory, closed again
			}
			if strings.Contains(target, "socket:") || strings.Contains(target, "fuse") || strings.Contains(target, "memfd") {
				t.Errorf("open: %s", line)
			}
			out = append(out, number)
		}
		return strings.Join(out, " ")
	}
	for _, flags := range [][]string{nil, {"--no-init"}, {"--no-pid"}, {"--fakeroot"}} {
		if out, _ := inContainer(t, flags, list, files...); numbers(out) != numbers(string(want)) {
			t.Errorf("%v: %s; without a container: %s", flags, out, want)
		}
	}
	for _, flags := range [][]string{{"--contain"}, {"--containall"}, {"--contain", "--no-init"}} {
		if out, _ := inContainer(t, flags, list, files...); numbers(out) != "0 1 2" {
			t.Errorf("%v: %s", flags, out)
		}
	}
	t.Setenv("PMI_FD", "7")
	if out, _ := inContainer(t, []string{"--contain"}, list, files...); numbers(out) != "0 1 2 7" {
		t.Errorf("--contain with PMI_FD: %s", out)
	}
}

// TestProgramsAreSafeT75 has the payload write to the programs that started it. The
// next container starts as ever.
func TestProgramsAreSafeT75(t *testing.T) {
	asUser(t, "^TestProgramsAreSafeT75$")
	sealift, _ := busyboxImage(t)
	programs := []string{sealift, sealift + "-starter"}
	hash := func() (all string) {
		for _, name := range programs {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all += fmt.Sprintf("%x ", sha256.Sum256(data))
		}
		return all
	}
	before := hash()
	script := `for f in /proc/1/exe /proc/$PPID/exe ` + strings.Join(programs, " ") + `; do
		for how in ': > $f' ': >> $f' 'cp /bin/busybox $f' 'dd if=/dev/zero of=$f bs=1 count=9 conv=notrunc'; do (eval "$how") 2>/dev/null && echo "wrote $f"; done
	done; exit 0`
	if os.Geteuid() == 0 {
		script = strings.Replace(script, strings.Join(programs, " "), "", 1) // root may, by their names
	}
	for _, flags := range [][]string{nil, {"--fakeroot"}, {"--no-pid"}} {
		if out, code := inContainer(t, flags, script); code != 0 || out != "" {
			t.Errorf("%v: %d, %s", flags, code, out)
		}
		if hash() != before {
			t.Fatalf("%v: a program was changed", flags)
		}
	}
	if out, code := inContainer(t, nil, "echo alive"); out != "alive\n" {
		t.Errorf("%d, %s", code, out)
	}
}

// TestWorkingDirectoriesT76 starts in places that lead outside, or nowhere.
func TestWorkingDirectoriesT76(t *testing.T) {
	asUser(t, "^TestWorkingDirectoriesT76$")
	sealift, image := busyboxImage(t)
	outside := t.TempDir()
	closed := filepath.Join(outside, "closed")
	tree := filepath.Join(outside, "tree")
	if out, err := exec.Command(sealift, "image", "unpack", image, tree).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for link, target := range map[string]string{"up": "../../../../../../etc", "absolute": "/etc", "magic": "/proc/self/fd/3", "out": outside} {
		if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(outside)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	type place struct {
		pwd, want string // the directory, or empty for an error
	}
	places := []place{
		{"/proc/1/root", "/"}, {"/proc/self/root/etc", "/etc"}, {"/up", "/etc"}, {"/absolute", "/etc"}, {"/missing", ""}, {"/magic", ""}, {"/out", ""},
		{"/proc/self/root/../../..", "/"}, {"/bin/sh", ""}, {"etc", ""}, {"", "/"}, {"/proc/self/cwd", "/"},
	}
	for fd := 3; fd <= 20; fd++ {
		places = append(places, place{fmt.Sprintf("/proc/self/fd/%d", fd), ""})
	}
	if os.Geteuid() != 0 {
		places = append(places, place{"/closed", ""})
	}
	for _, p := range places {
		cmd := exec.Command(sealift, "exec", "--no-home", "--no-mount", "tmp,cwd", "--bind", closed+":/closed", "--pwd", p.pwd, tree, "sh", "-c", "readlink /proc/self/cwd; ls")
		cmd.Dir, cmd.ExtraFiles = "/", slices.Repeat([]*os.File{dir}, 18)
		out, _ := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		switch {
		case strings.Contains(string(out), "\ntree\n"):
			t.Errorf("%q: outside: %s", p.pwd, out)
		case p.want != "" && !strings.HasPrefix(string(out), p.want+"\n"):
			t.Errorf("%q: status %d, %s", p.pwd, code, out)
		case p.want == "" && (code != 125 || !strings.Contains(string(out), "sealift: hint: ")):
			t.Errorf("%q: status %d, %s", p.pwd, code, out)
		}
	}
}

// TestNothingIsAddedT79 looks for sockets of a running container that others could
// connect to: none is listening, and none is abstract.
func TestNothingIsAddedT79(t *testing.T) {
	asUser(t, "^TestNothingIsAddedT79$")
	sealift, image := busyboxImage(t)
	cmd := exec.Command(sealift, "exec", image, "sh", "-c", "echo ready; exec sleep 100")
	cmd.Dir = "/"
	waitReady(t, cmd)
	family := descendants(t, cmd.Process.Pid)
	if len(family) < 3 {
		t.Fatalf("%v", family)
	}
	sockets := map[string]bool{}
	for pid := range family {
		names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			target, _ := os.Readlink(name) // the init's cannot be read by others
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, table := range []string{"unix", "tcp", "tcp6", "udp", "udp6", "raw", "packet", "netlink"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue // the kernel lacks it
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			for i, word := range f {
				// A pair of sockets has no name, which would be the last field.
				if sockets[word] && (table != "unix" || i < len(f)-1) {
					t.Errorf("%s: %s", table, line)
				}
			}
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	family.end(t, 3*time.Second)
}

// kernelFiles change the machine, or tell of it what others must not know.
const kernelFiles = `/proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname
	/proc/sys/vm/overcommit_memory /proc/sys/fs/suid_dumpable /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/randomize_va_space
	/proc/self/attr/current /proc/self/attr/exec /proc/1/attr/current /proc/1/oom_score_adj /proc/1/mem /proc/kcore /proc/kmsg
	/proc/irq/default_smp_affinity /proc/bus/pci/00/00.0 /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run /sys/power/state
	/sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/pids/tasks /sys/fs/cgroup/memory/tasks
	/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/module/apparmor/parameters/enabled /dev/mem /dev/kmem /dev/port /dev/kmsg
	/dev/vda /dev/sda /dev/nvme0n1 /dev/loop-control /dev/loop0`

// TestKernelFilesT81 opens files of the kernel for writing: what the host refuses to
// this user it refuses in a container, also to root of a user namespace.
func TestKernelFilesT81(t *testing.T) {
	asUser(t, "^TestKernelFilesT81$")
	if os.Geteuid() == 0 {
		t.Skip("root may")
	}
	script := `for f in ` + strings.ReplaceAll(kernelFiles, "\n", " ") + `; do [ -e $f ] && (: >> $f) 2>/dev/null && echo $f; done; exit 0`
	host, err := exec.Command("sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--contain"}, {"--fakeroot"}, {"--fakeroot", "--ipc", "--uts"}, {"--add-caps", "all"}, {"--no-pid"}} {
		out, code := inContainer(t, flags, script)
		for f := range strings.FieldsSeq(out) {
			// The init of a container is one of the caller's own processes.
			if !slices.Contains(strings.Fields(string(host)), f) && !strings.HasPrefix(f, "/proc/1/") || code != 0 {
				t.Errorf("%v: %s can be written to, status %d", flags, f, code)
			}
		}
	}
}

// TestTypingT81 has a contained payload put text into the terminal that it shares
// with who started it.
func TestTypingT81(t *testing.T) {
	asUser(t, "^TestTypingT81$")
	env := images(t)
	if env["DEBIAN"] == "" {
		t.Skip("needs the Debian fixture")
	}
	image, err := buildOnce(env["STAGE"], "PY", "oci:"+env["DEBIAN"])
	if err != nil {
		t.Fatal(err)
	}
	const program = `
import fcntl, termios
for name in "TIOCSTI", "TIOCLINUX":
    try:
        fcntl.ioctl(0, getattr(termios, name, 0x541c), b"x")
        print(name, "went", "through")
    except OSError as e:
        print(name, e.strerror)
print("size", len(fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))))
`
	x := startTerminal(t, filepath.Join(env["STAGE"], "bin/sealift"), "exec", "--contain", image, "python3", "-c", program)
	x.expect(t, "size 8", 1)
	x.exit(t, 0)
	if seen := x.seen.String(); strings.Contains(seen, "went through") {
		t.Errorf("%s", seen)
	}
}

// TestKilledServerT114 kills the process that serves the image: the job ends, and
// does not go on without its files.
func TestKilledServerT114(t *testing.T) {
	asUser(t, "^TestKilledServerT114$")
	sealift, image := busyboxImage(t)
	for _, victim := range []string{"sealift", "sealift-starter", "sleep"} {
		cmd := exec.Command(sealift, "exec", image, "sh", "-c", "echo ready; exec sleep 100")
		cmd.Dir = "/"
		waitReady(t, cmd)
		time.Sleep(50 * time.Millisecond) // for the shell to become sleep
		family := descendants(t, cmd.Process.Pid)
		if err := syscall.Kill(family.find(t, victim), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 137 && victim != "sealift" {
			t.Errorf("%s killed: status %d", victim, code)
		}
		family.end(t, 2*time.Second)
	}
}
