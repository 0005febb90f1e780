package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// ownNet returns a plan in a network namespace of its own, of a user.
func ownNet(t *testing.T, script string) *plan.Plan {
	p := container(t, sh(script))
	if os.Geteuid() == 0 {
		p = rootMapped(p)
	}
	p.Clone.Net = true
	p.Ops = append(p.Ops[:len(p.Ops)-1], plan.Do(plan.Network), plan.Do(plan.Dropcaps, ""))
	return p
}

const interfaces = `sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev | sort | tr '\n' ' '; grep -c '^lo.*00000001' /proc/net/route; cat /proc/sys/net/ipv4/ip_unprivileged_port_start`

// needNet skips where a helper cannot work.
func needNet(t *testing.T, program string) {
	t.Helper()
	_, err := os.Stat(program)
	need(t, err == nil, "no "+program)
	need(t, unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK) == nil, "/dev/net/tun is closed to this user")
}

// slirp is the command line of slirp4netns, which root may use as well.
func slirp() []string {
	return []string{"/usr/bin/slirp4netns", "--configure", "--ready-fd=" + plan.HelperReady, "--exit-fd=" + plan.HelperExit, plan.HelperPID, "tap0"}
}

func TestOwnNetwork(t *testing.T) {
	r := start(t, ownNet(t, interfaces))
	if !strings.HasPrefix(r.out, "lo ") || strings.Contains(r.out, "eth") || !strings.HasSuffix(r.out, "\n0\n") || r.err != nil {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

func TestConnectedNetwork(t *testing.T) {
	needNet(t, slirp()[0])
	p := ownNet(t, "grep -o tap0 /proc/net/dev; "+interfaces)
	p.Helper = slirp()
	if r := start(t, p); !strings.HasPrefix(r.out, "tap0\nlo ") || r.err != nil {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

// TestHelperFails has programs in the place of one that connects a network.
func TestHelperFails(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"missing": {[]string{"/no/such"}, "start /no/such: fork/exec /no/such: no such file"},
		"fails":   {[]string{"/bin/sh", "-c", "echo out; echo what >&2; echo why >&2; exit 3"}, "network: /bin/sh: exit status 3: what; why"},
		"ends":    {[]string{"/bin/true"}, "network: /bin/true: it ended"},
		"dies":    {[]string{"/bin/sh", "-c", "echo 1 >&3; sleep 0.2; kill -9 $$"}, "container killed: network: /bin/sh: signal: killed"},
	} {
		p := ownNet(t, "exec sleep 60")
		p.Helper = c.args
		r := start(t, p)
		r.fails(t, 125, c.want)
		if hint.Of(r.err) != helperRemedy {
			t.Errorf("%s: hint %q", name, hint.Of(r.err))
		}
	}
}

// TestHelperEnds kills each process that belongs to a container with a network;
// the others end.
func TestHelperEnds(t *testing.T) {
	needNet(t, slirp()[0])
	for _, victim := range []string{"launcher", "payload", "helper"} {
		p := ownNet(t, "echo ready; exec sleep 60")
		p.Helper = slirp()
		cmd := helper(t, p)
		launched(t, cmd)
		// The helper is the launcher's child, and so is the init.
		children := childrenOf(t, cmd.Process.Pid)
		if len(children) != 2 {
			t.Fatalf("children: %v", children)
		}
		target := cmd.Process.Pid
		for pid, name := range children {
			if victim == "helper" && name == "slirp4netns" {
				target = pid
			}
			if victim == "payload" && name != "slirp4netns" {
				target = pid
			}
		}
		if err := syscall.Kill(target, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		for pid, name := range children {
			eventually(t, func() bool { return ended(pid) }, victim+" was killed and "+name+" lives on")
		}
	}
}

// childrenOf returns the names of a process's children by their numbers.
func childrenOf(t *testing.T, pid int) map[int]string {
	t.Helper()
	out, err := exec.Command("ps", "--no-headers", "-o", "pid,comm", "--ppid", itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	children := map[int]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		children[atoi(t, f[0])] = f[1]
	}
	return children
}

// ended tells whether a process is no more, but perhaps to be reaped by somebody
// else than this test.
func ended(pid int) bool {
	s := state(pid)
	return s == "" || s == "Z"
}

// TestJoinNetwork enters a namespace that root has made.
func TestJoinNetwork(t *testing.T) {
	p := container(t, sh("readlink /proc/self/ns/net"))
	p.Clone.NetPath = filepath.Join(tempDir(t), "none")
	start(t, p).fails(t, 125, "network namespace "+p.Clone.NetPath+": no such file or directory")
	p.Clone.NetPath = "/dev/null"
	start(t, p).fails(t, 125, "enter network namespace /dev/null: ")

	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		other.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		}
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { other.Process.Kill(); other.Wait() }()
	p.Clone.NetPath = "/proc/" + itoa(other.Process.Pid) + "/ns/net"
	if os.Geteuid() != 0 {
		r := start(t, p)
		r.fails(t, 125, "enter network namespace "+p.Clone.NetPath+": operation not permitted")
		return
	}
	want, err := os.Readlink(p.Clone.NetPath)
	if err != nil {
		t.Fatal(err)
	}
	start(t, p).want(t, want+"\n")
	// The process itself stays where it was.
	if own, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || own == want {
		t.Errorf("%s, %v", own, err)
	}
}
