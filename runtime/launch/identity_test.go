package launch

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

func starterPath() string { return filepath.Join(shared, buildcfg.StarterName) }

// rootMapped makes the caller root inside.
func rootMapped(p *plan.Plan) *plan.Plan {
	p.Clone.User = true
	p.Clone.UIDs = []plan.IDMap{{Inside: 0, Outside: uint32(os.Geteuid()), Size: 1}}
	p.Clone.GIDs = []plan.IDMap{{Inside: 0, Outside: uint32(os.Getegid()), Size: 1}}
	return p
}

const showCaps = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status"

// TestCapabilities reads back the sets of the payload: inheritable, permitted,
// effective, bounding, ambient; and no_new_privs (T77).
func TestCapabilities(t *testing.T) {
	none := "0 0 0 0 0 1"
	for _, c := range []struct {
		name, keep string
		root, init bool
		want       string
	}{
		{"caller", "", false, true, none},
		{"caller, no init", "", false, false, none},
		{"root-mapped, none", "", true, true, none},
		{"root-mapped, some", "CAP_CHOWN,kill", true, true, "0 21 21 21 0 1"},
		{"root-mapped, all", "all", true, false, "0 all all all 0 1"},
	} {
		p := container(t, sh(showCaps))
		p.Process.Init = c.init
		if c.root {
			p = rootMapped(p)
		}
		p.Ops[len(p.Ops)-1].Args[0] = c.keep
		r := start(t, p)
		if got := capSets(t, r.out); got != c.want {
			t.Errorf("%s: %s; want %s (%v)", c.name, got, c.want, r.err)
		}
	}
}

// capSets shortens lines like "CapEff:\t0000000000000021".
func capSets(t *testing.T, status string) string {
	n := lastCap(t)
	var sets []string
	for line := range strings.Lines(status) {
		_, hex, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		v, err := strconv.ParseUint(hex, 16, 64)
		switch {
		case err != nil:
			t.Fatalf("%q: %v", line, err)
		case v == 1<<(n+1)-1:
			sets = append(sets, "all")
		default:
			sets = append(sets, strconv.FormatUint(v, 16))
		}
	}
	return strings.Join(sets, " ")
}

// lastCap is the number of the kernel's last capability.
func lastCap(t *testing.T) int {
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Fatal(err)
	}
	return atoi(t, strings.TrimSpace(string(last)))
}

func TestRootMapped(t *testing.T) {
	p := rootMapped(writable(t, sh("id -u; touch /new && stat -c %u /new")))
	start(t, p).want(t, "0\n0\n")
}

// TestInitIsShielded keeps the payload from tracing its init and from opening
// the starter through it (T75).
func TestInitIsShielded(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("for a user")
	}
	start(t, container(t, sh("cat /proc/1/exe 2>&1; ls /proc/1/fd 2>&1; exit 0"))).
		want(t, "cat: can't open '/proc/1/exe': Permission denied\nls: can't open '/proc/1/fd': Permission denied\n")
}

func TestRangeOfIDs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root maps ranges without helpers")
	}
	p := container(t, sh("cat /proc/self/uid_map | tr -s ' '; cat /proc/self/setgroups"))
	p.Clone.User = true
	p.Clone.UIDs = []plan.IDMap{{Inside: 0, Outside: 0, Size: 1}, {Inside: 1, Outside: 100000, Size: 1000}}
	p.Clone.GIDs = p.Clone.UIDs
	start(t, p).want(t, " 0 0 1\n 1 100000 1000\nallow\n")
}

// TestRootWithoutSetgroups nests user namespaces: an ordinary user who is root in
// the outer one has no setgroups(2) there, and passes on none.
func TestRootWithoutSetgroups(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	need(t, err == nil, "no unshare")
	p := container(t, sh("cat /proc/self/setgroups"))
	p.Clone.User = true
	p.Clone.UIDs = []plan.IDMap{{Inside: 0, Outside: 0, Size: 1}}
	p.Clone.GIDs = p.Clone.UIDs
	cmd := helper(t, p)
	cmd.Args = []string{unshare, "-Urm", cmd.Path}
	cmd.Path = unshare
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "deny\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestMapHelpers has scripts in the place of newuidmap and newgidmap.
func TestMapHelpers(t *testing.T) {
	dir := tempDir(t)
	script := filepath.Join(dir, "helper")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >> "+dir+"/log\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := plan.Clone{
		User: true,
		UIDs: []plan.IDMap{{Inside: 0, Outside: 1000, Size: 1}, {Inside: 1, Outside: 100000, Size: 65536}},
		GIDs: []plan.IDMap{{Inside: 0, Outside: 1001, Size: 1}},
	}
	if err := mapIDs(77, c, Job{NewUIDMap: script, NewGIDMap: script}); err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(dir + "/log"); string(log) != "77 0 1000 1 1 100000 65536\n77 0 1001 1\n" {
		t.Errorf("%q, %v", log, err)
	}
	if err := mapIDs(77, c, Job{}); !strings.Contains(hint.Of(err), "install newuidmap") {
		t.Errorf("without helpers: %v, %s", err, hint.Of(err))
	}
	if err := mapIDs(77, c, Job{NewUIDMap: "/bin/false"}); !strings.Contains(hint.Of(err), "/etc/subuid") {
		t.Errorf("helper fails: %v, %s", err, hint.Of(err))
	}
}

// TestRealMapHelpers runs a container with the ranges of this user.
func TestRealMapHelpers(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("for a user")
	}
	ranges, err := os.ReadFile("/etc/subuid")
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	var first uint64
	for line := range strings.Lines(string(ranges)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 3 && f[0] == name {
			first, err = strconv.ParseUint(f[1], 10, 32)
		}
	}
	if first == 0 || err != nil {
		t.Skip("no subordinate ids for this user")
	}
	p := rootMapped(writable(t, sh("id -u; touch /f; chown 5:6 /f; stat -c %u:%g /f; "+showCaps)))
	more := plan.IDMap{Inside: 1, Outside: uint32(first), Size: 1000}
	p.Clone.UIDs, p.Clone.GIDs = append(p.Clone.UIDs, more), append(p.Clone.GIDs, more)
	p.Clone.Caps = plan.FormatCaps(1<<(lastCap(t)+1) - 1)
	p.Ops[len(p.Ops)-1].Args[0] = "all"
	r := startJob(t, p, Job{NewUIDMap: "/usr/bin/newuidmap", NewGIDMap: "/usr/bin/newgidmap"})
	ids, sets, _ := strings.Cut(r.out, "CapInh")
	if ids != "0\n5:6\n" || capSets(t, "CapInh"+sets) != "0 all all all 0 1" {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

func TestMayMap(t *testing.T) {
	own, other := uint32(os.Geteuid()), uint32(os.Geteuid()+1)
	root := os.Geteuid() == 0
	group := uint32(os.Getegid())
	for _, c := range []struct {
		clone plan.Clone
		want  bool
	}{
		{plan.Clone{}, true},
		{plan.Clone{User: true}, true},
		{plan.Clone{User: true, UIDs: []plan.IDMap{{Inside: 0, Outside: own, Size: 1}}, GIDs: []plan.IDMap{{Inside: 0, Outside: group, Size: 1}}}, true},
		{plan.Clone{User: true, UIDs: []plan.IDMap{{Inside: 0, Outside: other, Size: 1}}}, root},
		{plan.Clone{User: true, UIDs: []plan.IDMap{{Inside: 0, Outside: own, Size: 2}}}, root},
		{plan.Clone{User: true, GIDs: []plan.IDMap{{Inside: 0, Outside: group, Size: 1}, {Inside: 1, Outside: 100000, Size: 1}}}, root},
	} {
		if got := mayMap(c.clone); got != c.want {
			t.Errorf("%+v: %v", c.clone, got)
		}
	}
}

func TestAttributes(t *testing.T) {
	attributes := func(c plan.Clone, mapHere bool) *syscall.SysProcAttr {
		a, err := attributes(c, mapHere)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := attributes(plan.Clone{Mount: true, PID: true, UTS: true, IPC: true, Net: true}, true)
	if want := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET); a.Cloneflags != want || a.AmbientCaps != nil {
		t.Errorf("%+v", a)
	}
	a = attributes(plan.Clone{User: true, UIDs: []plan.IDMap{{Inside: 1, Outside: 2, Size: 3}}}, true)
	if a.UidMappings[0] != (syscall.SysProcIDMap{ContainerID: 1, HostID: 2, Size: 3}) || len(a.AmbientCaps) == 0 {
		t.Errorf("%+v", a)
	}
	if a = attributes(plan.Clone{User: true, UIDs: []plan.IDMap{{Inside: 1, Outside: 2, Size: 3}}}, false); a.UidMappings != nil {
		t.Errorf("%+v", a)
	}
}

func TestFindStarter(t *testing.T) {
	dir := tempDir(t)
	cli := filepath.Join(dir, "bin", "sealift")
	if err := os.Mkdir(filepath.Dir(cli), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := FindStarter(cli)
	if err == nil || !strings.Contains(hint.Of(err), "install sealift-starter") {
		t.Errorf("none: %v, hint %s", err, hint.Of(err))
	}
	beside := filepath.Join(dir, "bin", buildcfg.StarterName)
	if err := os.WriteFile(beside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FindStarter(cli); err == nil || !strings.Contains(err.Error(), "not an executable file") {
		t.Errorf("not executable: %v", err)
	}
	if err := os.Chmod(beside, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := FindStarter(cli); got != beside || err != nil {
		t.Errorf("beside: %s, %v", got, err)
	}
	if err := os.WriteFile(cli, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "apptainer")
	if err := os.Symlink("bin/sealift", link); err != nil {
		t.Fatal(err)
	}
	if got, err := FindStarter(link); got != beside || err != nil {
		t.Errorf("through a link: %s, %v", got, err)
	}
}
