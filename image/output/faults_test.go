package output

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// The programs whose system calls are made to fail, by name. Each turns
// dir/out from old into new.
const childVar = "SEALIFT_TEST_CHILD" // what the test binary does instead of tests

func faultPrograms() map[string]func(dir string) error {
	file := func(force bool) func(dir string) error {
		return func(dir string) error {
			f, err := Create(dir+"/out", Options{Force: force, Mode: 0o644})
			if err != nil {
				return err
			}
			if _, err := f.File().WriteString("new"); err != nil {
				return fmt.Errorf("%w, %w", err, f.Abort())
			}
			return f.Commit()
		}
	}
	directory := func(dir string) error {
		d, err := CreateDir(dir+"/out", DirOptions{Force: true})
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.Path()+"/file", []byte("new"), 0o644); err != nil {
			return fmt.Errorf("%w, %w", err, d.Abort())
		}
		return d.Commit()
	}
	return map[string]func(dir string) error{"create": file(false), "replace": file(true), "directory": directory}
}

// TestFaultChild is the process that strace disturbs.
func TestFaultChild(t *testing.T) {
	if os.Getenv(childVar) != "fault" {
		t.Skip("run by TestFaults")
	}
	runtime.LockOSThread() // strace counts the calls of each thread
	defer runtime.UnlockOSThread()
	must(t, faultPrograms()[os.Getenv("SEALIFT_TEST_PROGRAM")](os.Getenv("SEALIFT_TEST_DIR")))
}

// TestFaults makes the n-th call of each kind that names the directory fail,
// or kills the process there. Whatever happens, the target is old or new and
// complete, success means new, and who lives leaves nothing else.
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, "strace is not installed")
	}
	if out, err := exec.Command("strace", "true").CombinedOutput(); err != nil {
		apart.Skip(t, "strace cannot trace here: "+string(out))
	}
	for _, c := range []struct {
		program, call, fault string
		calls                int  // how many there are
		survives             bool // the fault has a way around it
	}{
		{"create", "openat", "error=EOPNOTSUPP", 3, false},
		{"create", "openat", "error=ENOSPC", 3, false},
		{"create", "linkat", "error=EPERM", 1, true},
		{"create", "linkat", "signal=KILL", 1, false},
		{"create", "fsync", "error=EIO", 2, false},
		{"create", "fsync", "signal=KILL", 2, false},
		{"replace", "linkat", "error=ENOENT", 1, true},
		{"replace", "renameat", "error=EIO", 1, false},
		{"replace", "renameat", "signal=KILL", 1, false},
		{"replace", "fsync", "error=EDQUOT", 2, false},
		{"replace", "fsync", "error=EINTR", 2, true},
		{"directory", "renameat2", "error=EINVAL", 2, true},
		{"directory", "renameat2", "error=EIO", 2, false},
		{"directory", "renameat2", "signal=KILL", 2, false},
		{"directory", "mkdirat", "error=EDQUOT", 2, false},
		{"directory", "openat2", "error=ENOSYS", 3, true},
		{"directory", "flock", "error=ENOLCK", 1, true},
	} {
		for n := 1; n <= c.calls; n++ {
			t.Run(fmt.Sprintf("%s/%s/%s/%d", c.program, c.call, c.fault, n), func(t *testing.T) {
				testFault(t, c.program, c.call, c.fault+fmt.Sprintf(":when=%d", n), c.survives)
			})
		}
	}
	for _, always := range []struct {
		program, call, fault string
		survives             bool
	}{
		{"create", "linkat", "error=EIO", false},
		{"replace", "linkat", "error=EIO", false},
		{"directory", "renameat2", "error=ENOSYS", true},
	} {
		t.Run(always.program+"/"+always.call+"/always", func(t *testing.T) {
			testFault(t, always.program, always.call, always.fault, always.survives)
		})
	}
}

func testFault(t *testing.T, program, call, fault string, survives bool) {
	dir := t.TempDir()
	inner := dir + "/out"
	switch program {
	case "replace":
		write(t, inner, "old", 0o644)
	case "directory":
		must(t, os.Mkdir(inner, 0o755))
		inner += "/file"
		write(t, inner, "old", 0o644)
	}
	log := t.TempDir() + "/log"
	args := []string{"-f", "-o", log}
	if call == "openat" {
		args = append(args, "-P", dir) // not the runtime's own
	}
	exe, err := os.Executable()
	must(t, err)
	args = append(args, "-e", "trace="+call, "-e", "inject="+call+":"+fault, exe, "-test.run=^TestFaultChild$")
	cmd := exec.Command("strace", args...)
	cmd.Env = append(os.Environ(), childVar+"=fault", "SEALIFT_TEST_PROGRAM="+program, "SEALIFT_TEST_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if survives && err != nil {
		t.Errorf("it fails: %s", out)
	}
	trace, logErr := os.ReadFile(log)
	must(t, logErr)
	if !strings.Contains(string(trace), "INJECTED") && !strings.Contains(string(trace), "killed by SIGKILL") {
		t.Errorf("nothing was injected:\n%s", trace)
	}

	content, readErr := os.ReadFile(inner)
	switch {
	case err == nil && string(content) != "new":
		t.Errorf("success, and the target holds %q (%v)", content, readErr)
	case os.IsNotExist(readErr):
		if program != "create" {
			t.Errorf("the target is gone")
		}
	case readErr != nil || string(content) != "old" && string(content) != "new":
		t.Errorf("the target holds %q (%v)", content, readErr)
	}
	if strings.Contains(fault, "KILL") {
		return
	}
	if got := list(t, dir); got != "" && got != "out" {
		t.Errorf("left over: %q\n%s", got, out)
	}
}

// renameNew keeps its promise where renameat2 has no flags.
func TestRenameNewFallback(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "a", 0o644)
	write(t, dir+"/b", "b", 0o644)
	fd, err := unix.Open(dir, unix.O_PATH, 0)
	must(t, err)
	defer unix.Close(fd)
	if err := renameNew(fd, "a", fd, "b"); err != unix.EEXIST {
		t.Errorf("over a file: %v", err)
	}
	must(t, renameNew(fd, "a", fd, "c"))
	if err := linkOver(fd, "c", fd, "b"); err != unix.EEXIST {
		t.Errorf("over a file, by link: %v", err)
	}
	must(t, linkOver(fd, "c", fd, "d"))
	wantFile(t, dir+"/d", "a")
	if got := list(t, dir); got != "b d" {
		t.Errorf("left over: %q", got)
	}
}
