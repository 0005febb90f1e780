package e2e

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostilePlaces are all that is mounted or written on in a container of
// hostileModes, each a directory where its name ends in a slash.
var hostilePlaces = []string{
	"etc/", "etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf", "etc/localtime", "proc/", "sys/", "dev/", "dev/null",
	"dev/console", "dev/pts/", "dev/shm/", "tmp/", "var/tmp/", "home/", "home/user/", "mnt/", "mnt/bound/", "opt/file", "scratch/",
	".singularity.d/", "root/",
}

// hostileTrap makes something at path, where there is nothing, in the place of what
// should be there.
type hostileTrap struct {
	name string
	make func(path, victim string, dir bool) error
}

// hostileTraps are what an image can have where something is mounted. A victim has
// the file "file" and the directory "dir".
var hostileTraps = []hostileTrap{
	{"link to the host", func(path, victim string, dir bool) error { return os.Symlink(victimOf(victim, dir), path) }},
	{"link up", func(path, victim string, dir bool) error {
		return os.Symlink(strings.Repeat("../", 12)+victimOf(victim, dir)[1:], path)
	}},
	{"link to what is missing", func(path, victim string, _ bool) error { return os.Symlink(filepath.Join(victim, "new"), path) }},
	{"link through processes", func(path, victim string, dir bool) error {
		return os.Symlink("/proc/self/root/proc/self/cwd"+victimOf(victim, dir), path)
	}},
	{"link to the root", func(path, _ string, _ bool) error { return os.Symlink("/", path) }},
	{"link to itself", func(path, _ string, _ bool) error { return os.Symlink(filepath.Base(path), path) }},
	{"FIFO", func(path, _ string, _ bool) error { return syscall.Mkfifo(path, 0o666) }},
	{"other kind", func(path, _ string, dir bool) error {
		if dir {
			return os.WriteFile(path, nil, 0o644)
		}
		return os.Mkdir(path, 0o755)
	}},
	{"device", func(path, _ string, _ bool) error {
		if os.Geteuid() != 0 {
			return errors.ErrUnsupported
		}
		return syscall.Mknod(path, syscall.S_IFCHR|0o666, 1<<8|7) // full(4)
	}},
	{"nothing", func(string, string, bool) error { return nil }},
}

func victimOf(victim string, dir bool) string {
	if dir {
		return filepath.Join(victim, "dir")
	}
	return filepath.Join(victim, "file")
}

// hostileModes are kinds of containers: of a directory, or of a file.
var hostileModes = []struct {
	file  bool
	flags string
}{
	{true, ""}, {true, "--containall --writable-tmpfs --fakeroot"}, {false, "--writable"}, {false, "--contain --overlay OVERLAY"},
}

// hostileSecret is in files of the host that no container was given.
const hostileSecret = "a secret of the host's"

// hostileLook prints what the places lead to, and tries to change it, but for the
// system's.
const hostileLook = `echo started
for p in /etc /etc/passwd /etc/group /etc/hosts /etc/resolv.conf /etc/localtime /tmp /var/tmp /home /home/user /mnt /mnt/bound /opt/file /scratch /root; do
	for f in $p $p/file $p/dir/file $p/victim/file; do [ -f $f ] && grep -s -e secret $f; done
done
while read -r a b c root at rest; do [ "$at" = /proc ] && proc=${rest##* - }; done < /proc/self/mountinfo
[ -z "$proc" ] || echo "proc is $proc"
exit 0
`

// hostile is what the tests of one user share.
type hostile struct {
	sealift, dir, base, victim, home string
}

// TestHostileTargetsT78 has each of an image's places that something is mounted or
// written on be a trap. The container starts, or one clear error tells why not; the
// host is not changed, and shows nothing that was not asked for.
func TestHostileTargetsT78(t *testing.T) {
	asUser(t, "^TestHostileTargetsT78$")
	sealift, busybox := busyboxImage(t)
	h := &hostile{sealift: sealift, dir: t.TempDir()}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	// It is in a directory that no container shows, as --home names another.
	if h.victim, err = os.MkdirTemp(home, "victim"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(h.victim); err != nil {
			t.Error(err)
		}
	})
	h.home, h.base = filepath.Join(h.dir, "home"), filepath.Join(h.dir, "base")
	h.prepare(t, busybox)
	before := snapshot(t, h.victim)
	type trial struct {
		place string
		trap  hostileTrap
	}
	trials := make(chan trial)
	var workers sync.WaitGroup
	for n := range 2 * runtime.NumCPU() {
		workers.Go(func() {
			for x := range trials {
				h.try(t, fmt.Sprint(n), x.place, x.trap)
			}
		})
	}
	for _, place := range hostilePlaces {
		for _, trap := range hostileTraps {
			trials <- trial{place, trap}
		}
	}
	close(trials)
	workers.Wait()
	if after := snapshot(t, h.victim); after != before {
		t.Errorf("the host was changed:\n%s\nwas\n%s", after, before)
	}
}

// prepare makes the victims, and an image's directory without a trap.
func (h *hostile) prepare(t *testing.T, busybox string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(h.victim, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"file", "dir/file"} {
		if err := os.WriteFile(filepath.Join(h.victim, file), []byte(hostileSecret+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(h.home, 0o755), os.Mkdir(filepath.Join(h.dir, "data"), 0o755), os.WriteFile(filepath.Join(h.dir, "data.txt"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(h.sealift, "image", "unpack", busybox, h.base).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	for _, place := range hostilePlaces {
		path := filepath.Join(h.base, place)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(place, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else if _, missing := os.Lstat(path); missing != nil {
			err = errors.Join(err, os.WriteFile(path, nil, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// try makes an image with one trap, and containers of it.
func (h *hostile) try(t *testing.T, worker, place string, trap hostileTrap) {
	root := filepath.Join(h.dir, "image"+worker)
	path, file, overlay := filepath.Join(root, place), root+".sqfs", root+".overlay"
	if out, err := exec.Command("cp", "-al", h.base, root).CombinedOutput(); err != nil {
		t.Error(err, string(out))
		return
	}
	err := errors.Join(os.RemoveAll(path), trap.make(path, h.victim, strings.HasSuffix(place, "/")), os.Mkdir(overlay, 0o755))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		t.Errorf("%s, %s: %v", place, trap.name, err)
	default:
		if out, err := exec.Command(h.sealift, "image", "pack", root, file).CombinedOutput(); err != nil {
			t.Errorf("%s, %s: %v %s", place, trap.name, err, out)
		}
		for _, mode := range hostileModes {
			image := root
			if mode.file {
				image = file
			}
			h.start(t, place+", "+trap.name, image, strings.Fields(strings.ReplaceAll(mode.flags, "OVERLAY", overlay)))
		}
	}
	// The work directories of overlays have no permissions.
	clean := exec.Command("sh", "-c", `[ ! -e "$1/work/work" ] || chmod u+rwx "$1/work/work"; rm -rf "$@"`, "sh", overlay, root, file)
	if out, err := clean.CombinedOutput(); err != nil {
		t.Error(err, string(out))
	}
}

// start starts a container with everything that mounts something.
func (h *hostile) start(t *testing.T, what, image string, flags []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args := append([]string{"exec", "--home", h.home + ":/home/user", "--bind", filepath.Join(h.dir, "data") + ":/mnt/bound",
		"--bind", filepath.Join(h.dir, "data.txt") + ":/opt/file", "--scratch", "/scratch"}, flags...)
	cmd := exec.CommandContext(ctx, h.sealift, append(args, image, "/bin/sh", "-c", hostileLook)...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	text, code := string(out), cmd.ProcessState.ExitCode()
	what = fmt.Sprintf("%s, %s %v", what, filepath.Ext(image), flags)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	failures := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "sealift: error: ") })
	hints := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "sealift: hint: ") })
	switch {
	case strings.Contains(text, hostileSecret):
		t.Errorf("%s: shows the host's:\n%s", what, text)
	case code == 0 && !slices.Contains(lines, "started") || strings.Contains(text, "proc is") && !strings.Contains(text, "\nproc is proc "):
		t.Errorf("%s:\n%s", what, text)
	case code == 0:
	case code != 125 || len(failures) != 1 || len(hints) != 1 || slices.Contains(lines, "started"):
		t.Errorf("%s: %v, not one clear error:\n%s", what, err, text)
	}
}

// snapshot describes all that is in a directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %o %d %d %d %v", path, st.Mode, st.Uid, st.Nlink, st.Size, st.Mtim)
		if st.Mode&syscall.S_IFMT == syscall.S_IFREG {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, " %x", sha256.Sum256(data))
		}
		text.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}
