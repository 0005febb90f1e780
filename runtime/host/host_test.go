package host

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift/runtime/account"
)

func TestProbe(t *testing.T) {
	cwd := t.TempDir()
	f, err := Probe(Inputs{Environ: []string{"HOME=/nowhere", "USER=x"}, Cwd: cwd, SubIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups {
		if !slices.Contains(groups, int(g)) {
			t.Errorf("group %d is not the caller's", g)
		}
	}
	if len(f.Groups) != len(groups) || f.UID != uint32(os.Getuid()) || f.GID != uint32(os.Getgid()) {
		t.Errorf("ids %d %d %v", f.UID, f.GID, f.Groups)
	}
	if hostname, _ := os.Hostname(); f.Hostname != hostname || f.Kernel == "" || f.Arch != runtime.GOARCH {
		t.Errorf("machine %q %q %q", f.Hostname, f.Kernel, f.Arch)
	}
	if info, err := os.Stat(f.SessionDir); err != nil || !info.IsDir() {
		t.Errorf("session directory %q: %v", f.SessionDir, err)
	}
	if f.Cwd != cwd || f.User.Home == "" || f.Umask < 0 || f.Umask > 0o777 || len(f.Environ) != 2 {
		t.Errorf("facts %+v", f)
	}
	if _, err := f.Root.Open("proc/self/status"); err != nil {
		t.Errorf("the host's tree: %v", err)
	}
}

// TestProbeIsQuick guards the start-up time, with room for a busy machine.
func TestProbeIsQuick(t *testing.T) {
	best := time.Hour
	for range 20 {
		start := time.Now()
		if _, err := Probe(Inputs{}); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	t.Logf("%v", best)
	if best > 5*time.Millisecond {
		t.Errorf("Probe took %v", best)
	}
}

func TestParseStatus(t *testing.T) {
	text := "Name:\tx\nUmask:\t0027\nUid:\t1000\t1000\nGroups:\t4 24 1000 \nCapInh:\t0000000000200000\nCapEff:\t0000000000200000\n"
	want := status{groups: []uint32{4, 24, 1000}, umask: 0o27, admin: true}
	if got := parseStatus(text); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := parseStatus("CapEff:\t00000000001fffff\nUmask:\tx\nGroups:\t \nCapEff\n"); got.admin || got.umask != 0 || got.groups != nil {
		t.Errorf("%+v", got)
	}
	if got := parseStatus("CapEff:\t000001ffffdfffff\n"); got.admin {
		t.Error("every capability but CAP_SYS_ADMIN counts as it")
	}
}

func TestProcMasked(t *testing.T) {
	const root = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	const proc = "23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n"
	for text, want := range map[string]bool{
		root + proc: false,
		root + proc + "24 23 0:32 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n": false,
		root + proc + "24 23 0:5 /null /proc/kcore rw,nosuid - devtmpfs udev rw\n":       true,
		root + proc + "24 23 0:21 /sys /proc/sys ro,nosuid - proc proc rw\n":             true,
		root + "23 22 0:21 / /proc ro,nosuid - proc proc rw\n":                           true,
		root + "23 22 0:21 / /proc ro - proc proc rw\n":                                  true,
		root + "23 22 0:21 / /process rw - proc proc rw\n" + proc:                        false,
		root: true, "": true, "garbage\n": true,
	} {
		if got := procMasked(text); got != want {
			t.Errorf("%v for\n%s", got, text)
		}
	}
}

func TestSwitches(t *testing.T) {
	for text, want := range map[string]bool{"": true, "0\n": false, "1\n": true, "15000\n": true} {
		if allowed(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestUserFromEnv(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    account.User
	}{
		{nil, account.User{}},
		{[]string{"HOME=/h", "USER=u", "SHELL=/bin/zsh"}, account.User{Name: "u", Home: "/h", Shell: "/bin/zsh"}},
		{[]string{"LOGNAME=l", "HOME=/h"}, account.User{Name: "l", Home: "/h"}},
		{[]string{"LOGNAME=l", "USER=u"}, account.User{Name: "u"}},
		{[]string{"USER=u:x:0:0", "HOME=/h"}, account.User{}},
		{[]string{"USER=u", "HOME=/h\nroot::0:0"}, account.User{}},
	} {
		if got := userFromEnv(c.environ); got != c.want {
			t.Errorf("%q: %+v", c.environ, got)
		}
	}
}

func TestUnknownAccount(t *testing.T) {
	f := &Facts{UID: 3999999999, GID: 3999999998, Groups: []uint32{3999999997}}
	f.identify([]string{"USER=ghost", "HOME=/tmp"})
	if f.User.Name != "ghost" || f.User.Home != "/tmp" || len(f.GroupNames) != 0 {
		t.Errorf("%+v %v", f.User, f.GroupNames)
	}
}

func TestGetent(t *testing.T) {
	if _, err := exec.LookPath("/usr/bin/getent"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("getent is not installed")
	}
	if root, none := Home(0), Home(3999999999); root != "/root" || none != "" {
		t.Errorf("home directories %q, %q", root, none)
	}
	if u, ok := account.Find(getent(t.Context(), "passwd", "0"), 0); !ok || u.Name != "root" {
		t.Errorf("getent knows root as %+v", u)
	}
	if out := getent(t.Context(), "passwd", "3999999999"); out != "" {
		t.Errorf("getent knows %q", out)
	}
}

// TestGetentEnds: a directory service that does not answer delays a start, and no
// more.
func TestGetentEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if out := getent(ctx, "passwd", "0"); out != "" {
		t.Errorf("after the end of the time: %q", out)
	}
}

func TestRanges(t *testing.T) {
	text := "# comment\nalice:100000:65536\nbob:200000:65536\n1000:300000:1000\nalice:4294900000:99999\nalice:x:1\nalice:1\n:5:5\nalice:7:0\n"
	want := []Range{{100000, 65536}, {300000, 1000}}
	if got := ranges(text, "alice", "1000"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := ranges(text, "", "42"); got != nil {
		t.Errorf("a user without a name has %v", got)
	}
}

func TestExecutable(t *testing.T) {
	dir := t.TempDir()
	plain, program := filepath.Join(dir, "plain"), filepath.Join(dir, "program")
	for name, mode := range map[string]os.FileMode{plain: 0o600, program: 0o700} {
		if err := os.WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := executable(plain, program); got != program {
		t.Errorf("%q", got)
	}
	if got := executable(plain); got != "" {
		t.Errorf("%q", got)
	}
}

func TestFirstDir(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if got := firstDir(filepath.Join(dir, "none"), link, dir); got != dir {
		t.Errorf("%q", got)
	}
	if got := firstDir(); got != "/" {
		t.Errorf("%q", got)
	}
}

func TestReadMissing(t *testing.T) {
	if got := read(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("%q", got)
	}
}

// FuzzFiles (F14): ranges of ids that are taken do not overflow.
func FuzzFiles(f *testing.F) {
	f.Add("alice:1:2\n23 22 0:21 / /proc rw - proc proc rw\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range ranges(text, "alice", "1000") {
			if r.Count == 0 || r.First+r.Count < r.First {
				t.Errorf("%+v", r)
			}
		}
		procMasked(text)
		parseStatus(text)
	})
}
