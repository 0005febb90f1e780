package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/mountinfo"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// What needs namespaces is tested by runtime/launch, with the real program.

func TestEnter(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := enterFirst([]string{"/no/such", "/dev/null"}); err != unix.ENOENT {
		t.Errorf("the first failure is %v", err)
	}
	if err := enterFirst([]string{"/no/such", "/proc"}); err != nil {
		t.Error(err)
	}
	if wd, err := os.Getwd(); wd != "/proc" {
		t.Errorf("in %s, %v", wd, err)
	}
	if err := enterFirst(nil); err != nil {
		t.Error(err)
	}
}

func TestParseFlags(t *testing.T) {
	f, err := parseFlags("ro,noexec,try", flagTry)
	if err != nil || f.ms != unix.MS_RDONLY|unix.MS_NOEXEC || f.attr != unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC || !f.has(flagTry) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, words := range []string{"rw", "try", "ro,", ",", "ro nosuid"} {
		if _, err := parseFlags(words); err != unix.EINVAL {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func TestParseMode(t *testing.T) {
	if m, err := parseMode("1777"); m != 0o1777 || err != nil {
		t.Errorf("%o, %v", m, err)
	}
	for _, s := range []string{"", "8", "10000", "-1", "0x1"} {
		if _, err := parseMode(s); err == nil {
			t.Errorf("%q is a mode", s)
		}
	}
}

func TestFlagsOf(t *testing.T) {
	if f := flagsOf("ro,nosuid,noatime,lazy"); f != unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOATIME {
		t.Errorf("%x", f)
	}
	if f := flagsOf("rw,nodev,noexec,nodiratime,relatime"); f != unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NODIRATIME|unix.MS_RELATIME {
		t.Errorf("%x", f)
	}
}

func TestMountID(t *testing.T) {
	f, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := mountID(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	table, err := readProc("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if sub := mountinfo.Below(mountinfo.Parse(table), id); len(sub) == 0 || sub[0].Point != "/proc" {
		t.Errorf("mount %d is %+v", id, sub)
	}
}

func TestReadAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	want := strings.Repeat("0123456789", 20000)
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1 << 20, 100000} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(int(f.Fd()), limit)
		f.Close()
		if limit < len(want) && err != unix.E2BIG || limit > len(want) && string(got) != want {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
}

func TestOpenHosts(t *testing.T) {
	dir := t.TempDir()
	if h, err := openHosts(plan.Do(plan.Bind, dir+"/nosuch", "/x", "try")); err != nil || h.first() != -1 {
		t.Errorf("try: %v, %v", h, err)
	}
	if _, err := openHosts(plan.Do(plan.Bind, dir+"/nosuch", "/x", "")); err != unix.ENOENT {
		t.Errorf("missing: %v", err)
	}
	if h, err := openHosts(plan.Do(plan.Bind, "up", "/x", "session")); err != nil || h.first() != -1 {
		t.Errorf("session: %v, %v", h, err)
	}
	h, err := openHosts(plan.Do(plan.Overlay, "@root", plan.JoinDirs("@skel", dir), "", "@work", ""))
	if err != nil || len(h) != 4 || h[0].fd != -1 || h[0].session != "" || h[1].session != "@work" || h[2].session != "@skel" || h[3].fd < 0 {
		t.Errorf("overlay: %+v, %v", h, err)
	}
	h.close()
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want unix.Errno
	}{
		{unix.EACCES, unix.EACCES},
		{os.NewSyscallError("x", unix.EIO), unix.EIO},
		{errors.New("no number"), unix.EINVAL},
	} {
		if f := failure(plan.StageOp, 3, c.err); f.Errno != int(c.want) || f.Index != 3 || f.Stage != plan.StageOp {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}

func TestOrphaned(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	if orphaned(pair[0]) {
		t.Error("the other end is open")
	}
	unix.Close(pair[1])
	if !orphaned(pair[0]) {
		t.Error("the other end is closed")
	}
	if err := talk.Tell(pair[0], &plan.Report{}); err != unix.EPIPE {
		t.Errorf("sent with %v", err)
	}
}
