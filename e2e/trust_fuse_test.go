package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// TestOnFUSE uses rules on a file system of fuse2fs, which has neither O_TMPFILE nor fs-verity:
// images that are overwritten while they run, and builds that sign.
func TestOnFUSE(t *testing.T) {
	asUser(t, "^TestOnFUSE$")
	for _, program := range []string{"fuse2fs", "/usr/sbin/mke2fs", "strace"} {
		if _, err := exec.LookPath(program); err != nil {
			apart.Skip(t, program+" is not installed")
		}
	}
	inStage(t)
	apart.InNamespace(t, func(t *testing.T) {
		x := newTrusting(t, 0)
		x.onExt4()
		good := x.image("good.sif", "good")
		b, err := os.ReadFile(good)
		x.must(err)
		offset, size := x.partition(good)
		for _, rule := range []string{"whole", "remembered", "tree"} {
			for _, how := range []string{"overwritten", "cut short"} {
				t.Run(rule+", "+how, func(t *testing.T) {
					x := &trusting{t, x.dir, x.sealift, 0}
					x.rule(rule == "tree")
					x.must(os.RemoveAll(x.path("cache/tree")))
					path := x.path("images/x.sif")
					x.must(errors.Join(os.RemoveAll(path), os.WriteFile(path, b, 0o644)))
					if rule == "remembered" {
						x.run("exec", path, "true")
					}
					change := exec.Command("dd", "if=/dev/urandom", "of="+path, "bs=64k", "conv=notrunc", "status=none", "oflag=seek_bytes",
						fmt.Sprintf("seek=%d", offset+128<<10), fmt.Sprintf("count=%d", size>>16))
					if how == "cut short" {
						change = exec.Command("truncate", "-s", fmt.Sprint(offset+128<<10), path)
					}
					x.changing(path, change)
					if out, err := x.command(0, "exec", path, "cat", "/word").CombinedOutput(); err == nil || strings.Contains(string(out), "good") {
						t.Errorf("it is run again: %s", out)
					}
				})
			}
		}
		t.Run("build", func(t *testing.T) { (&trusting{t, x.dir, x.sealift, 0}).signedBuild(good) })
	})
}

// onExt4 has the directory of the images be a file system of fuse2fs.
func (x *trusting) onExt4() {
	x.Helper()
	disk, dir := x.path("disk"), x.path("images")
	for _, args := range [][]string{
		{"truncate", "-s", "256M", disk}, {"/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", disk}, {"fuse2fs", disk, dir},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			x.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	x.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			x.Error(err)
		}
	})
	if fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600); !errors.Is(err, unix.EOPNOTSUPP) {
		x.Fatalf("O_TMPFILE works here: %d, %v", fd, err)
	}
}

// signedBuild builds and signs an image in a hidden file, whose lock is held until that gets its name.
func (x *trusting) signedBuild(base string) {
	x.Helper()
	log := x.path("calls")
	args := []string{"-f", "-y", "-o", log, "-e", "trace=flock,renameat,renameat2", x.sealift, "build", "--sign=" + x.path("key.pem"), x.path("images/built.sif"), base}
	cmd := exec.Command("strace", args...)
	cmd.Dir, cmd.Env = x.dir, x.command(0).Env
	if out, err := cmd.CombinedOutput(); err != nil {
		x.Fatalf("%v\n%s", err, out)
	}
	trace, err := os.ReadFile(log)
	x.must(err)
	// The descriptor has the path of the hidden file all the time.
	taken := regexp.MustCompile(`flock\(\d+<[^>]*/\.built\.sif\.[^>]*>, LOCK_EX`).FindIndex(trace)
	given := regexp.MustCompile(`flock\(\d+<[^>]*/\.built\.sif\.[^>]*>, LOCK_UN`).FindIndex(trace)
	named := regexp.MustCompile(`renameat2?\(.*"\.built\.sif\.[^"]*", .*"built\.sif"`).FindIndex(trace)
	if taken == nil || named == nil || taken[0] > named[0] || given != nil {
		x.Errorf("locked %v, unlocked %v, named %v:\n%s", taken, given, named, trace)
	}
	x.run("verify", "--key", x.path("key.pub"), x.path("images/built.sif"))
	x.run("exec", x.path("images/built.sif"), "cat", "/word")
	if list, err := os.ReadDir(x.path("images")); err != nil || len(list) != 3 { // with lost+found
		x.Errorf("there is %v, %v", list, err)
	}
}
