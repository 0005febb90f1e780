package launch

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/seccomp"
)

// denyGetpriority is a filter that has one call fail with ENOTTY.
func denyGetpriority() string {
	arch := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		arch = unix.AUDIT_ARCH_AARCH64
	}
	return seccomp.FormatProgram(seccomp.Assemble(arch, []seccomp.Rule{
		{NR: unix.SYS_GETPRIORITY, Action: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOTTY)},
	}))
}

// TestFilterT80 reads the mode back, and sees what the filter does: with and
// without an init, which has none.
func TestFilterT80(t *testing.T) {
	const script = "grep Seccomp: /proc/self/status; grep -s Seccomp: /proc/1/status; nice 2>&1; echo $0 $#"
	for _, init := range []bool{true, false} {
		p := container(t, append(sh(script), "name", "a b"))
		p.Ops = append(p.Ops, plan.Do(plan.Seccomp, "log", denyGetpriority()))
		p.Process.Init = init
		r := start(t, p)
		if !strings.HasPrefix(r.out, "Seccomp:\t2\nSeccomp:\t") || strings.Contains(r.out, "nice: ") == false || r.err != nil {
			t.Errorf("init %v: %q, %v", init, r.out, r.err)
		}
		if want := map[bool]string{true: "Seccomp:\t0\n", false: "Seccomp:\t2\n"}[init]; !strings.Contains(r.out[len("Seccomp:\t2\n"):], want) {
			t.Errorf("init %v: the init's: %q", init, r.out)
		}
	}
}

// TestFilterStopsAlmostAll runs a payload that may only exit.
func TestFilterStopsAlmostAll(t *testing.T) {
	kill := seccomp.FormatProgram([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS}})
	p := container(t, []string{"true"})
	p.Ops = append(p.Ops, plan.Do(plan.Seccomp, "", kill))
	if r := start(t, p); r.code != 128+int(unix.SIGSYS) || r.err != nil {
		t.Errorf("status %d, %v", r.code, r.err)
	}
}

// TestFilteredLifeT113 has an init that is a process of its own do what inits do.
func TestFilteredLifeT113(t *testing.T) {
	for script, code := range map[string]int{
		"exit 0": 0, "exit 37": 37, "exit 255": 255, "kill -TERM $$": 143, "kill -KILL $$": 137, "sleep 60 & exit 5": 5,
	} {
		p := container(t, sh(script))
		p.Ops = append(p.Ops, plan.Do(plan.Seccomp, "", denyGetpriority()))
		if r := start(t, p); r.code != code || r.err != nil {
			t.Errorf("%s: status %d, %v", script, r.code, r.err)
		}
	}
	p := container(t, []string{"nosuch"})
	p.Ops = append(p.Ops, plan.Do(plan.Seccomp, "", denyGetpriority()))
	start(t, p).fails(t, 127, "nosuch: executable file not found in $PATH")
	p.Process.Args, p.Process.Umask = []string{"true"}, 0o077
	p.Ops[len(p.Ops)-1].Args[1] = "00"
	start(t, p).fails(t, 125, "prepare the seccomp filter: invalid argument")
}

// TestFilteredDescriptors passes the caller's descriptors through both starters.
func TestFilteredDescriptors(t *testing.T) {
	p := container(t, sh("cat <&3; cat <&7; ls /proc/self/fd | wc -l"))
	p.Ops = append(p.Ops, plan.Do(plan.Seccomp, "", denyGetpriority()))
	if out := withDescriptors(t, p, 3, 7); strings.TrimSpace(strings.TrimPrefix(out, "from 3\nfrom 7\n")) != "6" {
		t.Errorf("%q", out)
	}
	p.Ops[0].Args[0] = tempDir(t)
	p.Process.CloseFDs, p.Process.KeepFDs = true, []int{7}
	p.Process.Args = sh("cat <&7; ls /proc/self/fd")
	if out := withDescriptors(t, p, 3, 7, 9); strings.Join(strings.Fields(out), " ") != "from 7 0 1 2 3 7" {
		t.Errorf("%q", out)
	}
}

// TestRaisedCapsT77 reads back what a payload that is not root is given.
func TestRaisedCapsT77(t *testing.T) {
	for _, init := range []bool{true, false} {
		p := container(t, sh(showCaps))
		p.Process.Init = init
		p.Clone.User = true
		uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
		p.Clone.UIDs, p.Clone.GIDs = []plan.IDMap{{Inside: 1234, Outside: uid, Size: 1}}, []plan.IDMap{{Inside: 1234, Outside: gid, Size: 1}}
		p.Clone.Caps = "kill,net_raw"
		p.Ops[len(p.Ops)-1].Args[0] = "kill,net_raw"
		p.Ops = append(p.Ops, plan.Do(plan.Raisecaps, "kill,net_raw"))
		r := start(t, p)
		if got := capSets(t, r.out); got != "2020 2020 2020 2020 2020 1" {
			t.Errorf("init %v: %s, %v", init, got, r.err)
		}
	}
	p := container(t, sh("true"))
	p.Ops = append(p.Ops, plan.Do(plan.Raisecaps, "sys_module"))
	start(t, p).fails(t, 125, "add the capabilities sys_module: operation not permitted")
}

// TestLimitedCaps leaves out no_new_privs.
func TestLimitedCaps(t *testing.T) {
	p := rootMapped(container(t, sh(showCaps)))
	p.Ops[len(p.Ops)-1] = plan.Do(plan.Limitcaps, "chown")
	if r := start(t, p); capSets(t, r.out) != "0 1 1 1 0 0" {
		t.Errorf("%s, %v", r.out, r.err)
	}
}

// TestOtherUserT77 becomes another user, with and without an init, and loses
// what was needed for that.
func TestOtherUserT77(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	for _, init := range []bool{true, false} {
		p := container(t, sh("id -u; id -g; id -G; "+showCaps))
		p.Process.Init = init
		p.Process.User = &plan.User{UID: 99, GID: 98, Groups: []uint32{98, 97}}
		r := start(t, p)
		ids, rest, _ := strings.Cut(r.out, "CapInh")
		if ids != "99\n98\n98 97\n" || capSets(t, "CapInh"+rest) != "0 0 0 0 0 1" {
			t.Errorf("init %v: %q, %v", init, r.out, r.err)
		}
	}
}

// TestLabelT80 asks for what this kernel has not: an error, and no payload.
func TestLabelT80(t *testing.T) {
	p := container(t, sh("echo RAN"))
	p.Ops = append([]plan.Op{p.Ops[0], plan.Do(plan.Label, "apparmor", "sealift-no-such-profile")}, p.Ops[1:]...)
	r := start(t, p)
	if r.err == nil || r.out != "" || r.code != 125 || !strings.Contains(r.err.Error(), "run under apparmor sealift-no-such-profile: ") {
		t.Errorf("%q, %v", r.out, r.err)
	}
}
