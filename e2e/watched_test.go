package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWatchedBuildT87 (T87, T88): while a user builds with an open umask, and the script
// opens all that it has, another user who looks all the time sees that there is a build,
// and neither lists, reads, writes nor runs anything of it, set-user-ID programs least.
func TestWatchedBuildT87(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be two users")
	}
	sealift, busybox := busyboxImage(t)
	dir := t.TempDir()
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const owner, other = 1500, 1501
	home, tmp := filepath.Join(dir, "home"), filepath.Join(dir, "tmp")
	for path, mode := range map[string]uint32{home: 0o755, tmp: 0o1777} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", busybox, filepath.Join(home, "base.sif")).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	if err := os.Chown(home, owner, owner); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "x.def"), "Bootstrap: localimage\nFrom: base.sif\n%setup\n    cp /bin/true $APPTAINER_ROOTFS/setup; chmod 6777 $APPTAINER_ROOTFS/setup $APPTAINER_ROOTFS\n"+
		"%post\n    cp /bin/busybox /suid; chmod 6777 /suid; mkdir -m 777 /open; echo secret > /open/file; chmod 777 / /open/file; sleep 2\n")
	command := func(uid uint32, script string) *exec.Cmd {
		cmd := exec.Command("sh", "-c", "umask 0; "+script, "sh", sealift, tmp, home)
		cmd.Dir = "/"
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + tmp}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	// Of each build's directory it tells that it is there, and all that it gets at.
	watcher := command(other, `while :; do
	for d in "$2"/* "$3"/.[a-z]*; do
		[ -e "$d" ] || continue
		[ -O "$d" ] || echo "there is $(basename "$d" | sed 's/-[0-9].*//')"
		find "$d" -mindepth 1 2>/dev/null | sed 's/^/listed /'
		cat "$d" 2>/dev/null | head -c 1 | sed 's/^/read /'
		touch "$d/evil" 2>/dev/null && echo "wrote $d"
		for f in "$d"/root/suid "$d"/*/suid "$d"/root/setup "$d"/*/setup; do "$f" 2>/dev/null && echo "ran $f"; done
	done
	find "$3" -newer "$3/x.def" -perm /6000 2>/dev/null | sed 's/^/set-user-ID /'
done`)
	var saw strings.Builder
	watcher.Stdout = &saw
	if err := watcher.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := command(owner, `cd "$3" && "$1" build out.sif x.def`).CombinedOutput()
	watcher.Process.Kill()
	watcher.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(saw.String()) {
		if seen[line] = true; !strings.HasPrefix(line, "there is ") {
			t.Errorf("the other user %s", line)
		}
	}
	if !seen["there is .sealift-build\n"] {
		t.Errorf("the other user did not see the build, but %v", seen)
	}
	if out, err := command(owner, `"$1" exec "$3/out.sif" stat -c %a /suid /open/file`).CombinedOutput(); err != nil || string(out) != "6777\n777\n" {
		t.Errorf("in the image: %v, %s", err, out)
	}
}
