package launch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealift/sealift/starter/plan"
)

// faulted runs p with calls failing the way inject says (strace(1)), and
// returns the output and the exit status.
func faulted(t *testing.T, p *plan.Plan, calls, inject string, more ...string) (string, int) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "no strace")
	cmd := helper(t, p)
	args := []string{"-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + inject}
	traced := exec.Command(strace, append(append(args, more...), cmd.Path)...)
	traced.Env = cmd.Env
	var out bytes.Buffer
	traced.Stdout, traced.Stderr = &out, &out
	if err := traced.Run(); traced.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), traced.ProcessState.ExitCode()
}

// TestFaults makes each system call of the set-up fail once. Whatever fails,
// the payload must not run, and the error must name the operation.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ call, inject, want, path string }{
		{"mount", "error=EPERM:when=1", "mount the session directory on ", ""},
		{"mount", "error=ENOMEM:when=2", "mount the session directory on ", ""},
		{"mount", "error=EINVAL:when=3", "mount the session directory on ", ""},
		{"mkdirat", "error=EDQUOT:when=1", "mount the session directory on ", ""},
		{"open_tree", "error=EMFILE:when=1", "bind " + root + " on /: too many open files", ""},
		{"mount_setattr", "error=EINVAL:when=1", "bind " + root + " on /: invalid argument", ""},
		{"move_mount", "error=ENOSPC:when=1", "bind " + root + " on /: no space left on device\nhint: have /proc/sys/fs/mount-max", ""},
		{"mount", "error=EPERM:when=4", "mount proc on /proc: operation not permitted\nhint: run with --no-pid", ""},
		{"openat2", "error=EIO:when=2", "mount proc on /proc: input/output error", ""},
		{"sethostname", "error=EPERM", "set the host name box: operation not permitted", ""},
		{"pivot_root", "error=EBUSY", "enter the container's root directory: device or resource busy", ""},
		{"umount2", "error=EIO", "enter the container's root directory: input/output error", ""},
		{"capset", "error=EPERM", "", ""}, // launch sets the ambient ones as well
		{"getcwd", "error=ENOENT", "enter the working directory /: no such file or directory\nhint: name a directory", ""},
		{"execve", "error=EAGAIN", "execute sh: resource temporarily unavailable\nhint: raise the limit of processes", "/bin/sh"},
		{"execve", "error=EIO", "make the container's namespaces: input/output error", starterPath()},
	} {
		p := container(t, sh("echo RAN"), plan.Do(plan.Hostname, "box"))
		p.Clone.UTS = true
		var only []string
		if c.path != "" {
			only = []string{"-P", c.path}
		}
		out, code := faulted(t, p, c.call, c.inject, only...)
		if code != 125 && code != 126 || strings.Contains(out, "RAN") || !strings.Contains(out, "error: "+c.want) {
			t.Errorf("%s %s: status %d, output %q; want %q", c.call, c.inject, code, out, c.want)
		}
	}
}

// TestNoDevice starts where /dev/fuse is missing, closed to the user, or
// without a driver.
func TestNoDevice(t *testing.T) {
	const (
		loadFuse = "have the kernel module loaded (modprobe fuse) and /dev/fuse made"
		openFuse = "have /dev/fuse made readable and writable for this user, also by the device cgroup"
	)
	for errno, want := range map[string]string{
		"ENOENT": "mount the image on /mnt: no such file or directory\nhint: " + loadFuse,
		"ENODEV": "mount the image on /mnt: no such device\nhint: " + loadFuse,
		"EACCES": "mount the image on /mnt: permission denied\nhint: " + openFuse,
		"EPERM":  "mount the image on /mnt: operation not permitted\nhint: " + openFuse,
	} {
		out, code := faulted(t, fuseContainer(t, "echo RAN"), "openat", "error="+errno, "-P", "/dev/fuse")
		if code != 125 || out != "error: "+want+"\n" {
			t.Errorf("%s: status %d, output %q", errno, code, out)
		}
	}
}

// TestNoUserNamespaces starts where their limit is reached.
func TestNoUserNamespaces(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	need(t, err == nil, "no unshare")
	p := container(t, []string{"true"})
	p.Clone = plan.Clone{User: true, Mount: true, PID: true}
	cmd := helper(t, p)
	cmd.Args = []string{unshare, "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces; exec " + cmd.Path}
	cmd.Path = unshare
	out, err := cmd.CombinedOutput()
	want := "error: make the container's namespaces: no space left on device\nhint: have /proc/sys/user/max_user_namespaces, the limit of user namespaces, raised, " +
		"or that of another kind of namespace in the same directory\n"
	if cmd.ProcessState.ExitCode() != 125 || string(out) != want {
		t.Errorf("%q, %v", out, err)
	}
}

// TestHugeEnvironment passes as much as execve(2) takes.
func TestHugeEnvironment(t *testing.T) {
	p := container(t, sh("env | wc -c"))
	for i := range 16 {
		p.Process.Env = append(p.Process.Env, fmt.Sprintf("V%02d=%s", i, strings.Repeat("x", 100<<10)))
	}
	if r := start(t, p); r.err != nil || len(r.out) < 8 {
		t.Errorf("%q, %v", r.out, r.err)
	}
	p.Ops[0].Args[0] = tempDir(t)
	p.Process.Env = append(p.Process.Env, "BIG="+strings.Repeat("x", 1<<20))
	start(t, p).fails(t, 126, "execute sh: argument list too long")
}

// TestHostileEnvironment gives the launching process variables that steer Go
// programs and dynamic linkers; none reaches the starter or the payload (T96).
func TestHostileEnvironment(t *testing.T) {
	cmd := helper(t, container(t, sh("env | grep -v -e ^PWD= -e ^SHLVL=")))
	cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1", "GOTRACEBACK=crash", "LD_PRELOAD=/no/such.so", "PATH=/no/such")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || out.String() != "PATH=/bin\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Error(err)
	}
}
