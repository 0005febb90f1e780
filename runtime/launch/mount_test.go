package launch

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// writable makes the root an overlay of the test's root on a tmpfs.
func writable(t testing.TB, args []string, ops ...plan.Op) *plan.Plan {
	p := container(t, args)
	p.Ops = append([]plan.Op{
		p.Ops[0],
		plan.Do(plan.Mkdir, "@upper", "755"),
		plan.Do(plan.Mkdir, "@work", "700"),
		plan.Do(plan.Overlay, "@root", root, "@upper", "@work", "nosuid,nodev"),
	}, append(ops, p.Ops[2:]...)...)
	return p
}

func TestOverlay(t *testing.T) {
	p := writable(t, sh("echo new > /etc/hosts; mkdir /fresh; rm /plain; cat /etc/hosts; ls -d /fresh /plain 2>&1"))
	r := start(t, p)
	if want := "new\nls: /plain: No such file or directory\n/fresh\n"; r.out != want {
		t.Errorf("%q, %v", r.out, r.err)
	}
	if data, err := os.ReadFile(filepath.Join(root, "etc/hosts")); string(data) != "image\n" {
		t.Errorf("the lower directory changed: %q, %v", data, err)
	}
}

// TestReadOnlyOverlay shows host directories, one with a name full of the
// mount option's own punctuation, below one of the session.
func TestReadOnlyOverlay(t *testing.T) {
	odd := filepath.Join(tempDir(t), `a:b,c\d`)
	for _, d := range []string{"", "/etc", "/extra"} {
		if err := os.Mkdir(odd+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := container(t, sh("ls -d /added /extra; cat /etc/added; touch /x 2>&1"))
	lower := plan.JoinDirs("@skel", odd, p.Ops[1].Args[0])
	p.Ops = append([]plan.Op{
		p.Ops[0],
		plan.Do(plan.Mkdir, "@skel/added", "755"),
		plan.Do(plan.Write, "@skel/etc/added", "644", "written\n"),
		plan.Do(plan.Overlay, "@root", lower, "", "", "ro,nosuid,nodev"),
	}, p.Ops[2:]...)
	if r := start(t, p); r.out != "/added\n/extra\nwritten\ntouch: /x: Read-only file system\n" {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

// TestForeignUpper refuses to write where somebody else can, whoever the directory
// belonged to when it was looked at (T91).
func TestForeignUpper(t *testing.T) {
	dir := tempDir(t)
	if err := errors.Join(os.Mkdir(dir+"/upper", 0o755), os.Mkdir(dir+"/work", 0o755)); err != nil {
		t.Fatal(err)
	}
	over := func(upper string) result {
		p := container(t, sh("echo changed > /etc/hosts; cat /etc/hosts"))
		p.Ops = append([]plan.Op{p.Ops[0], plan.Do(plan.Overlay, "@root", root, upper, dir+"/work", "nosuid,nodev,own")}, p.Ops[2:]...)
		return start(t, p)
	}
	over(dir+"/upper").want(t, "changed\n")
	foreign := "/etc"
	if os.Getuid() == 0 {
		foreign = dir + "/foreign"
		if err := errors.Join(os.Mkdir(foreign, 0o777), os.Chown(foreign, 4711, 4711)); err != nil {
			t.Fatal(err)
		}
	}
	r := over(foreign)
	if r.err == nil || !strings.Contains(r.err.Error(), "mount overlay on /: permission denied") || !strings.Contains(hint.Of(r.err), "belong to you") {
		t.Errorf("an upper directory of somebody else: %q, %v, hint %q", r.out, r.err, hint.Of(r.err))
	}
}

// TestFilesStayInside makes files by way of links that lead outside.
func TestFilesStayInside(t *testing.T) {
	outside := tempDir(t)
	p := writable(t, sh("cat /data/f /data/g /etc/hosts /in/f; stat -c %a /data/f /data/deep /data/deep/er /empty; readlink /l; ls -A "+outside),
		plan.Do(plan.Write, "/link-abs/f", "640", "one\n"),
		plan.Do(plan.Write, "/link-rel/g", "600", "two\n"),
		plan.Do(plan.Symlink, "/in", outside),
		plan.Do(plan.Mkdir, outside, "755"),
		plan.Do(plan.Write, "/in/f", "644", "three\n"),
		plan.Do(plan.Mkdir, "/link-abs/deep/er", "711"),
		plan.Do(plan.Mkfile, "/empty", "604"),
		plan.Do(plan.Mkfile, "/etc/hosts", "600"),
		plan.Do(plan.Symlink, "/l", "first"),
		plan.Do(plan.Symlink, "/l", "second"),
	)
	start(t, p).want(t, "one\ntwo\nimage\nthree\n640\n755\n711\n604\nsecond\nf\n")
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("made outside: %v, %v", left, err)
	}
}

// TestWriteReplaces must not write through a link, nor block on a FIFO.
func TestWriteReplaces(t *testing.T) {
	victim := filepath.Join(tempDir(t), "victim")
	if err := os.WriteFile(victim, []byte("safe\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := writable(t, sh("cat /sly"),
		plan.Do(plan.Symlink, "/sly", victim), plan.Do(plan.Write, "/sly", "644", "mine\n"))
	start(t, p).want(t, "mine\n")
	if data, err := os.ReadFile(victim); string(data) != "safe\n" {
		t.Errorf("victim %q, %v", data, err)
	}
}

func TestBindTargets(t *testing.T) {
	src := tempDir(t)
	if err := os.WriteFile(src+"/f", []byte("bound\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, container(t, sh("cat /data/f"), plan.Do(plan.Bind, src, "/link-abs", ""))).want(t, "bound\n")
	start(t, container(t, sh("cat /data/f"), plan.Do(plan.Bind, src, "/link-rel", ""))).want(t, "bound\n")
	start(t, container(t, sh("cat /etc/hosts"), plan.Do(plan.Bind, src+"/f", "/etc/hosts", "ro"))).want(t, "bound\n")
	// Targets inside an earlier mount, and on top of one.
	p := container(t, sh("cat /mnt/deep/f /data/f"),
		plan.Do(plan.Mount, "tmpfs", "/mnt", "nosuid,nodev", "mode=755"),
		plan.Do(plan.Mkdir, "/mnt/deep", "755"),
		plan.Do(plan.Bind, src, "/mnt/deep", ""),
		plan.Do(plan.Mount, "tmpfs", "/data", "nosuid,nodev", ""),
		plan.Do(plan.Bind, src, "/data", ""))
	start(t, p).want(t, "bound\nbound\n")
}

func TestBindTry(t *testing.T) {
	p := container(t, sh("ls /data"),
		plan.Do(plan.Bind, "/no/source", "/data", "try"),
		plan.Do(plan.Bind, "/tmp", "/no/target", "try,ro"),
		plan.Do(plan.Bind, "@nosuch", "/data", "try,session"))
	start(t, p).want(t, "sub\n")
}

func TestUmount(t *testing.T) {
	p := container(t, sh("ls /data"),
		plan.Do(plan.Mount, "tmpfs", "/data", "nosuid,nodev", ""), plan.Do(plan.Umount, "/data"))
	start(t, p).want(t, "sub\n")
}

// readOnly binds a tree of two file systems read-only and writes to both.
func readOnly(t *testing.T) *plan.Plan {
	return container(t, sh("touch /data/x; touch /data/in/x; cat /data/in/f; grep -c '/data.* ro,nosuid,nodev,noexec' /proc/mounts"),
		plan.Do(plan.Mkdir, "@tree/a", "755"),
		plan.Do(plan.Mount, "tmpfs", "@tree/a", "nosuid,noexec", "mode=777"),
		plan.Do(plan.Mkdir, "@tree/a/in", "777"),
		plan.Do(plan.Mount, "tmpfs", "@tree/a/in", "nodev", "mode=777"),
		plan.Do(plan.Write, "@tree/a/in/f", "644", "kept\n"),
		plan.Do(plan.Bind, "@tree/a", "/data", "session,ro,nosuid,nodev,noexec"))
}

const readOnlyOutput = "touch: /data/x: Read-only file system\ntouch: /data/in/x: Read-only file system\nkept\n2\n"

func TestReadOnlyBind(t *testing.T) {
	start(t, readOnly(t)).want(t, readOnlyOutput)
}

// TestHostStaysReadOnly binds a host tree that has flags, which a user
// namespace locks.
func TestHostStaysReadOnly(t *testing.T) {
	r := start(t, container(t, sh("touch /data/x 2>&1; exit 0"), plan.Do(plan.Bind, "/sys", "/data", "ro,noexec")))
	if r.err != nil || !strings.Contains(r.out, "/data/x: ") {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

// TestOldKernels runs the starter without the system calls it can do without.
func TestOldKernels(t *testing.T) {
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "no strace")
	src := tempDir(t)
	for _, calls := range []string{
		"openat2", "open_tree", "mount_setattr", "close_range", "openat2,open_tree,mount_setattr,move_mount,close_range",
	} {
		p := readOnly(t)
		p.Ops = append(p.Ops[:4:4], append([]plan.Op{plan.Do(plan.Bind, src, "/link-rel", "")}, p.Ops[4:]...)...)
		p.Process.CloseFDs = true
		cmd := helper(t, p)
		traced := exec.Command(strace, "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", "trace="+calls, "-e", "inject="+calls+":error=ENOSYS", cmd.Path)
		traced.Env = cmd.Env
		out, err := traced.CombinedOutput()
		if err != nil || string(out) != readOnlyOutput {
			t.Errorf("without %s: %q, %v", calls, out, err)
		}
	}
}

// TestNoPivot starts as if the host's root were the initramfs.
func TestNoPivot(t *testing.T) {
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "no strace")
	cmd := helper(t, container(t, sh("ls -d /data; ls -d /../data; grep -c . /proc/self/mountinfo > /dev/null")))
	traced := exec.Command(strace, "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", "trace=pivot_root", "-e", "inject=pivot_root:error=EINVAL", cmd.Path)
	traced.Env = cmd.Env
	if out, err := traced.CombinedOutput(); err != nil || string(out) != "/data\n/../data\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestNothingIsLeft compares the host's mounts before and after.
func TestNothingIsLeft(t *testing.T) {
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	p := writable(t, []string{"true"})
	start(t, p).want(t, "")
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || string(before) != string(after) {
		t.Errorf("mounts were\n%s\nand are\n%s\n%v", before, after, err)
	}
	if left, err := os.ReadDir(p.Ops[0].Args[0]); err != nil || len(left) != 0 {
		t.Errorf("left in the session directory: %v, %v", left, err)
	}
}

// TestStarterByHand must do nothing but fail.
func TestStarterByHand(t *testing.T) {
	starter := filepath.Join(shared, buildcfg.StarterName)
	plain, err := os.Open(starter)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, args := range [][]string{nil, {"3"}, {"3", "4", "5"}, {"x", "y"}, {"-1", "4"}, {"3", "3"}, {"0", "1"}, {"3", "4"}, {"300", "400"}} {
		cmd := exec.Command(starter, args...)
		cmd.ExtraFiles = []*os.File{plain, plain}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 125 || !strings.HasPrefix(string(out), "sealift-starter: ") {
			t.Errorf("%q: %v, %q", args, err, out)
		}
	}
}

// TestBindHasNoSession binds a tree that the session directory is in: the
// session's own file system must not be found there, whatever the kernel has.
func TestBindHasNoSession(t *testing.T) {
	for _, without := range []string{"", "mount_setattr", "open_tree,mount_setattr,move_mount"} {
		p := container(t, sh("true"))
		session := p.Ops[0].Args[0]
		p.Process.Args = sh("ls -A /data/" + filepath.Base(session) + "; ls -A /mnt")
		last := len(p.Ops) - 2
		p.Ops = append(p.Ops[:last:last], plan.Do(plan.Bind, filepath.Dir(session), "/data", "ro"),
			plan.Do(plan.Bind, session, "/mnt", ""), plan.Do(plan.Pivot), plan.Do(plan.Dropcaps, ""))
		if without == "" {
			start(t, p).want(t, "")
			continue
		}
		if out, code := faulted(t, p, without, "error=ENOSYS"); out != "" || code != 0 {
			t.Errorf("without %s: %q, status %d", without, out, code)
		}
	}
}
