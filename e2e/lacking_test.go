package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/sweep"
	"github.com/sealift/sealift/starter/seccomp"
)

// lackingVar names the calls that the kernel lacks for the command in the arguments.
const lackingVar = "SEALIFT_TEST_LACKING"

// lackable are calls of younger kernels, and O_TMPFILE (open(2)), which not all file
// systems know.
var lackable = []struct {
	name string
	rule seccomp.Rule
}{
	{"openat2", missing(unix.SYS_OPENAT2)},
	{"clone3", missing(unix.SYS_CLONE3)},
	{"close_range", missing(unix.SYS_CLOSE_RANGE)},
	{"statx", missing(unix.SYS_STATX)},
	{"fsopen", missing(unix.SYS_FSOPEN)},
	{"O_TMPFILE", seccomp.Rule{
		NR: unix.SYS_OPENAT, Action: unix.SECCOMP_RET_ERRNO | uint32(unix.EOPNOTSUPP),
		Tests: []seccomp.Test{{Arg: 2, Any: unix.O_TMPFILE &^ unix.O_DIRECTORY}},
	}},
}

func missing(call int) seccomp.Rule {
	return seccomp.Rule{NR: call, Action: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
}

// lack becomes the command, on a kernel that lacks the calls that are named.
func lack(names string, argv []string) error {
	var rules []seccomp.Rule
	for _, l := range lackable {
		if strings.Contains(" "+names+" ", " "+l.name+" ") {
			rules = append(rules, l.rule)
		}
	}
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	runtime.LockOSThread() // which the filter is of
	return errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), seccomp.InstallSilent(seccomp.Assemble(arch, rules), 0), os.Unsetenv(lackingVar),
		unix.Exec(argv[0], argv, os.Environ()))
}

// TestLackingCalls uses Sealift on kernels that lack calls: the results are those of
// one that has them.
func TestLackingCalls(t *testing.T) {
	asUser(t, "^TestLackingCalls$")
	sealift, _ := busyboxImage(t)
	s := &sweeper{T: t, dir: t.TempDir(), sealift: sealift}
	key := s.key("key")
	write(t, filepath.Join(s.dir, "made.def"), "Bootstrap: oci\nFrom: "+images(t)["BUSYBOX"]+"\n%post\n"+
		"mkdir /made && cd /made && echo data > file && ln file again && ln -s file link && chown 33:44 file && chmod 4711 file && mv file moved && rm /bin/false\n")
	var names []string
	for _, l := range lackable {
		names = append(names, l.name)
	}
	want, wantFiles := s.without("", key)
	t.Logf("%s", want)
	for _, name := range append(names, strings.Join(names, " ")) {
		t.Run(name, func(t *testing.T) {
			s := &sweeper{T: t, dir: s.dir, sealift: sealift}
			got, files := s.without(name, key)
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			for path, sum := range wantFiles {
				if files[path] != sum {
					t.Errorf("%s is another file", path)
				}
			}
			if extra := files.Extra(wantFiles, wantFiles); len(extra) > 0 {
				t.Errorf("left over: %q", extra)
			}
		})
	}
}

// without returns what commands say on a kernel without some calls, and the files that
// they make and that are alike whenever they are made.
func (s *sweeper) without(names, key string) (string, sweep.Snapshot) {
	s.Helper()
	dir, err := os.MkdirTemp(s.dir, "lacking-")
	s.must(err)
	for _, name := range []string{"home", "tmp", "run", "cache", "keys", "over"} {
		s.must(os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	change := "echo new > /new; rm -r /made; mkdir /made; mv /bin/true /bin/yes; cat /new; ls -A / /made"
	var said strings.Builder
	for _, args := range [][]string{
		{"build", "made.sif", filepath.Join(s.dir, "made.def")},
		{"build", "--sandbox", "tree", "oci:" + images(s.T)["BUSYBOX"]},
		{"exec", "--no-home", "made.sif", "sh", "-c", "ls -ln /made; cat /made/again; test ! -e /bin/false"},
		{"exec", "--no-home", "tree", "sh", "-c", "ls -ln /bin | head -5; cat /etc/passwd | head -1"},
		{"exec", "--no-home", "--contain", "--pid", "--bind", "home:/made", "made.sif", "sh", "-c", "ls -A /made /tmp"},
		{"exec", "--no-home", "--overlay", "over", "made.sif", "sh", "-c", change},
		{"exec", "--no-home", "--overlay", "over:ro", "made.sif", "sh", "-c", "cat /new; ls -A /made; test ! -e /bin/true && ls /bin/yes"},
		{"exec", "--no-home", "--writable", "tree", "sh", "-c", "echo new > /new; cat /new"},
		{"inspect", "--labels", "made.sif"},
		{"overlay", "create", "--size", "64", "changes.img"},
		{"build", "--force", "plain.sif", "made.sif"},
		{"sign", "--key", key, "made.sif"},
		{"verify", "--key", filepath.Join(filepath.Dir(key), "key.pub"), "made.sif"},
	} {
		c := s.command(dir, args...)
		cmd := exec.Command("/proc/self/exe", append([]string{c.Path}, c.Args...)...)
		var out, msg bytes.Buffer
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(c.Env, lackingVar+"= "+names), &out, &msg
		if err := cmd.Run(); cmd.ProcessState == nil {
			s.Fatal(err)
		}
		fmt.Fprintf(&said, "%s: status %d\n%s", args[:2], cmd.ProcessState.ExitCode(), &out)
		if cmd.ProcessState.ExitCode() != 0 {
			s.Errorf("%q: %s", args, &msg)
		}
	}
	// What has its time in it: signatures, notes of the cache; and what the kernel makes.
	s.must(os.Chmod(filepath.Join(dir, "over/work/work"), 0o700))
	for _, path := range []string{"made.sif", "cache", "changes.img", "over/work/work"} {
		s.must(os.RemoveAll(filepath.Join(dir, path)))
	}
	files, err := sweep.Look(dir)
	s.must(err)
	return said.String(), files
}
