package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIdentityT77 reads back who the payload is: ids, groups, the five sets of
// capabilities, no_new_privs, the mode of seccomp, and the map of ids. The values
// are Apptainer's, but that root of a user namespace has no inheritable and
// ambient capabilities, which it does not need.
func TestIdentityT77(t *testing.T) {
	asUser(t, "^TestIdentityT77$")
	uid := os.Getuid()
	const none, all, raw = "0000000000000000", "000001ffffffffff", "0000000000002000"
	type row struct {
		flags                   string
		id                      int
		inh, prm, eff, bnd, amb string
		uidMap                  string // its first line
	}
	own := fmt.Sprintf("%d %d 1", uid, uid)
	rows := []row{
		{"", uid, none, none, none, none, none, own},
		{"--no-privs", uid, none, none, none, none, none, own},
		{"--drop-caps all", uid, none, none, none, none, none, own},
		{"--containall", uid, none, none, none, none, none, own},
		{"--no-init", uid, none, none, none, none, none, own},
		{"--no-pid", uid, none, none, none, none, none, own},
		{"--add-caps CAP_NET_RAW", uid, raw, raw, raw, raw, raw, own},
		{"--add-caps all", uid, all, all, all, all, all, own},
		{"--add-caps all --drop-caps all", uid, none, none, none, none, none, own},
		{"--security uid:99", 99, none, none, none, none, none, fmt.Sprintf("99 %d 1", uid)},
		{"--fakeroot", 0, none, all, all, all, none, fmt.Sprintf("0 %d 1", uid)},
		{"--fakeroot --no-init", 0, none, all, all, all, none, fmt.Sprintf("0 %d 1", uid)},
		{"--fakeroot --no-privs", 0, none, none, none, none, none, fmt.Sprintf("0 %d 1", uid)},
		{"--fakeroot --drop-caps all --add-caps CAP_NET_RAW", 0, none, none, none, none, none, fmt.Sprintf("0 %d 1", uid)},
	}
	if uid == 0 {
		bounding := capsOfThisProcess(t)
		rows = []row{
			{"", 0, none, bounding, bounding, bounding, none, "0 0 4294967295"},
			{"--keep-privs", 0, none, bounding, bounding, bounding, none, "0 0 4294967295"},
			{"--no-privs", 0, none, none, none, none, none, "0 0 4294967295"},
			{"--drop-caps all", 0, none, none, none, none, none, "0 0 4294967295"},
			{"--security uid:99,gid:98", 99, none, none, none, none, none, "0 0 4294967295"},
			{"--userns", 0, none, all, all, all, none, "0 0 1"},
		}
	}
	for _, r := range rows {
		want := fmt.Sprintf("%d\nCapInh:\t%s\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t%s\nCapAmb:\t%s\nNoNewPrivs:\t1\nSeccomp:\t0\n%s\n",
			r.id, r.inh, r.prm, r.eff, r.bnd, r.amb, r.uidMap)
		if strings.Contains(r.flags, "--contain") {
			want = strings.Replace(want, "Seccomp:\t0", "Seccomp:\t"+contained(t), 1)
		}
		const script = `id -u; grep -E '^(Cap|NoNewPrivs:|Seccomp:)' /proc/self/status; head -1 /proc/self/uid_map | tr -s ' ' | sed 's/^ //'`
		if out, code := inContainer(t, strings.Fields(r.flags), script); code != 0 || out != want {
			t.Errorf("%s: status %d\n%s\nwant\n%s", r.flags, code, out, want)
		}
	}
}

// contained is the mode of seccomp under --contain, which needs a filter where the
// kernel lets programs type on terminals.
func contained(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti")
	if err == nil && strings.TrimSpace(string(text)) == "0" {
		return "0"
	}
	return "2"
}

// capsOfThisProcess is the bounding set as in /proc/self/status.
func capsOfThisProcess(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapBnd:\t")
	set, _, _ := strings.Cut(rest, "\n")
	return set
}

// TestFilesAreTheCallersT77 makes files in a directory of the host: they are the
// caller's whoever the payload is, and have modes by the caller's mask.
func TestFilesAreTheCallersT77(t *testing.T) {
	asUser(t, "^TestFilesAreTheCallersT77$")
	dir := t.TempDir()
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	for i, flags := range []string{"", "--fakeroot", "--no-privs", "--userns", "--add-caps all", "--contain", "--no-init"} {
		name := fmt.Sprintf("%s/%d", dir, i)
		out, code := inContainer(t, append(strings.Fields(flags), "--bind", dir), "umask; : > "+name)
		info, err := os.Stat(name)
		if err != nil || out != "0027\n" {
			t.Errorf("%s: status %d, %s, %v", flags, code, out, err)
			continue
		}
		if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != os.Getuid() || int(st.Gid) != os.Getgid() || info.Mode() != 0o640 {
			t.Errorf("%s: owner %d:%d, mode %v", flags, st.Uid, st.Gid, info.Mode())
		}
	}
}

// TestGroupsT77 has supplementary groups: they give access, none is added, and none
// can be had by setgroups(2).
func TestGroupsT77(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(stageEnv) != "" {
		t.Skip("only root gives groups to others")
	}
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, []byte("for the group\n"), 0o640), os.Chown(file, 0, 4242), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]string{"": "1501 65534 65534", "--contain": "1501 65534 65534", "--fakeroot": "0 65534 65534", "--no-pid": "1501 65534 65534"} {
		cmd := exec.Command(sealift, append(append([]string{"exec"}, strings.Fields(flags)...), "--bind", file+":/file", image, "sh", "-c",
			"cat /file; grep Groups: /proc/self/status | cut -f 2 | xargs; id -g; cat /proc/self/setgroups")...)
		cmd.Dir, cmd.Env = "/", []string{"HOME=" + testHome, "PATH=/usr/bin:/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUID, Gid: testUID, Groups: []uint32{4242, 4243}}}
		out, err := cmd.CombinedOutput()
		lines := strings.Split(string(out), "\n")
		groups := strings.Fields(want)
		if err != nil || len(lines) < 4 || lines[0] != "for the group" || lines[1] != "65534 65534" || lines[2] != groups[0] || flags != "--fakeroot" && lines[3] != "deny" {
			t.Errorf("%s: %v, %s", flags, err, out)
		}
	}
}

// TestHostileEnvironmentT96 sets one variable after the other that steers programs:
// the result is as without it, and no program is taken from a directory of PATH.
func TestHostileEnvironmentT96(t *testing.T) {
	asUser(t, "^TestHostileEnvironmentT96$")
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	for _, name := range strings.Fields(`sealift-starter newuidmap newgidmap fusermount fusermount3 squashfuse mksquashfs unsquashfs
		getent id mount umount sh bash env pasta slirp4netns ldconfig nvidia-smi`) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+name+" >> "+log+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	clean := []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}
	run := func(env []string) (string, int) {
		cmd := exec.Command(sealift, "exec", image, "sh", "-c", "echo alive; id -u; pwd")
		cmd.Dir, cmd.Env = "/", env
		out, _ := cmd.Output() // the runtime of Go may print what GODEBUG asks for
		return string(out), cmd.ProcessState.ExitCode()
	}
	want, code := run(clean)
	if code != 0 || !strings.HasPrefix(want, "alive\n") {
		t.Fatalf("%d, %s", code, want)
	}
	const kib128 = 128<<10 - 32
	for name, env := range map[string][]string{
		"nothing": {}, "no HOME": {"PATH=/usr/bin:/bin"}, "no PATH": {clean[0]},
		"PATH": append(slices.Clone(clean), "PATH="+dir), "LD_PRELOAD": append(slices.Clone(clean), "LD_PRELOAD=/no/such.so"),
		"LD_LIBRARY_PATH": append(slices.Clone(clean), "LD_LIBRARY_PATH="+dir), "LD_AUDIT": append(slices.Clone(clean), "LD_AUDIT=/no/such.so"),
		"GCONV_PATH": append(slices.Clone(clean), "GCONV_PATH="+dir), "GODEBUG": append(slices.Clone(clean), "GODEBUG=gctrace=1,netdns=cgo,asyncpreemptoff=1"),
		"GOTRACEBACK": append(slices.Clone(clean), "GOTRACEBACK=crash"), "GOGC": append(slices.Clone(clean), "GOGC=1"), "GOGC off": append(slices.Clone(clean), "GOGC=off"),
		"GOMEMLIMIT": append(slices.Clone(clean), "GOMEMLIMIT=1"), "GOMAXPROCS": append(slices.Clone(clean), "GOMAXPROCS=1"),
		"TMPDIR": append(slices.Clone(clean), "TMPDIR=/no/such/directory"), "long TMPDIR": append(slices.Clone(clean), "TMPDIR=/"+strings.Repeat("x/", 2000)),
		"BASH_ENV": append(slices.Clone(clean), "BASH_ENV="+dir+"/sh", "ENV="+dir+"/sh"), "IFS": append(slices.Clone(clean), "IFS=aeiou"),
		"LANG": append(slices.Clone(clean), "LANG=xx_XX.UTF-8", "LC_ALL=../../etc"), "XDG": append(slices.Clone(clean), "XDG_CONFIG_HOME=relative", "XDG_RUNTIME_DIR=/no"),
		"HOME": {"HOME=../relative", "PATH=/bin"}, "empty HOME": {"HOME=", "PATH=/bin"}, "HOME /": {"HOME=/", "PATH=/bin"},
		"no assignment": append(slices.Clone(clean), "NOTHING"), "no name": append(slices.Clone(clean), "=value"), "twice": append(slices.Clone(clean), "HOME=/other"),
		"bytes": append(slices.Clone(clean), "ODD=\xff\xfe\x01\x1b[31m"), "a function": append(slices.Clone(clean), "BASH_FUNC_x%%=() { echo owned; }"),
		"2 MiB": append(slices.Clone(clean), slices.Repeat([]string{"BIG=" + strings.Repeat("x", kib128)}, 16)...),
		"many":  append(slices.Clone(clean), slices.Repeat([]string{"N=1"}, 20000)...),
	} {
		if got, code := run(env); code != 0 || got != want {
			t.Errorf("%s: status %d, %q; want %q", name, code, got, want)
		}
	}
	if text, err := os.ReadFile(log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("programs of a hostile PATH ran: %s, %v", text, err)
	}
}

// TestLimitsT97 starts with descriptors closed, limits low, and signals ignored or
// blocked: as ever, or with one line about what is wrong.
func TestLimitsT97(t *testing.T) {
	asUser(t, "^TestLimitsT97$")
	sealift, image := busyboxImage(t)
	for _, c := range []struct {
		prepare string
		may     bool // fail, with one error and one hint
	}{
		{"exec <&-", false}, {"exec >&-", false}, {"exec 2>&-", false}, {"exec <&- >&-", false}, {"exec <&- 2>&-", false},
		{"exec >&- 2>&-", false}, {"exec <&- >&- 2>&-", false},
		{"ulimit -n 5", true}, {"ulimit -n 12", true}, {"ulimit -n 16", true}, {"ulimit -n 24", true}, {"ulimit -n 512", false}, {"ulimit -n 1048576", false},
		{"ulimit -u 1", true}, {"ulimit -f 1", false}, {"ulimit -c unlimited", false}, {"ulimit -s 256", false}, {"ulimit -l 0", false},
	} {
		cmd := exec.Command("sh", "-c", c.prepare+`; exec "$0" exec "$1" sh -c 'exit 3'`, sealift, image)
		cmd.Dir = "/"
		out, _ := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		told := code == 125 && strings.Count(string(out), "sealift: error: ") == 1 && !strings.Contains(string(out), "goroutine ")
		// Where Go cannot start its threads or its poller, it is its runtime that says so.
		told = told || code == 2 && strings.HasPrefix(string(out), "runtime: ")
		if code != 3 && !(c.may && told) {
			t.Errorf("%s: status %d, %s", c.prepare, code, out)
		}
	}
	for _, wrapper := range []string{"env --ignore-signal=CHLD", "env --block-signal", "env --ignore-signal", "nice -n 19", "setsid --wait", "env -i"} {
		args := append(strings.Fields(wrapper), sealift, "exec", image, "sh", "-c", "exit 3")
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = "/"
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%s: %v, %s", wrapper, cmd.ProcessState, out)
		}
	}
}
