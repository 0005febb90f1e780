package e2e

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inScript runs a shell script with sealift, and images, as variables.
func inScript(t *testing.T, dir, script string) string {
	t.Helper()
	sealift, image := busyboxImage(t)
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(sealift)+":"+os.Getenv("PATH")+":/usr/sbin:/sbin", "BB="+image)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

// ext3 makes an image with an overlay, that has a file, of its own and in a SIF file.
const ext3 = `sealift overlay create --size 64 --sparse --create-dir /opt/data x.img
echo content > file
debugfs -w -R 'write file /upper/opt/data/file' x.img 2>/dev/null
cp $BB own.sif; chmod u+w own.sif
sealift sif add own.sif x.img --datatype 4 --partfs 2 --parttype 4 --partarch $ARCH
`

// ext3Uses are what can be done with these.
const ext3Uses = `sealift exec --bind x.img:/mnt:image-src=/ $BB cat /mnt/upper/opt/data/file
sealift exec --bind x.img:/mnt:image-src=upper/opt $BB cat /mnt/data/file
sealift exec --bind x.img:/etc/hosts:image-src=/upper/opt/data/file $BB cat /etc/hosts
sealift exec --overlay x.img:ro $BB cat /opt/data/file
sealift exec --overlay x.img:ro --writable-tmpfs $BB sh -c 'echo more > /opt/more; cat /opt/data/file'
sealift exec own.sif cat /opt/data/file
sealift exec --fakeroot own.sif cat /opt/data/file
sealift -q exec --overlay x.img $BB sh -c '! touch /opt/x 2>/dev/null; cat /opt/data/file'
`

// TestExt3 mounts ext3 images by fuse2fs, if this can be given a mount; where it
// cannot, or is missing, that is said.
func TestExt3(t *testing.T) {
	asUser(t, "^TestExt3$")
	dir := t.TempDir()
	arch := map[elf.Machine]string{elf.EM_X86_64: "2", elf.EM_AARCH64: "4"}[machineOf(t)]
	t.Setenv("ARCH", arch)
	inScript(t, dir, ext3)
	before, err := os.ReadFile(filepath.Join(dir, "x.img"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("content\n", strings.Count(ext3Uses, "\n"))
	if usable(t) {
		if out := inScript(t, dir, ext3Uses); out != want {
			t.Errorf("got\n%s", out)
		}
	} else {
		for use := range strings.Lines(ext3Uses) {
			out := inScript(t, dir, "! "+use)
			if !strings.Contains(out, "has an ext3 file system, and ") || !strings.Contains(out, "hint: install") {
				t.Errorf("%s: %s", use, out)
			}
		}
	}
	if os.Geteuid() == 0 {
		standIn(t, dir, want)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "x.img")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the image was changed: %v", err)
	}
}

// standIn has another program in the place of fuse2fs, which shows a SquashFS image
// with the same files, and sees to it that it gets what fuse2fs would need.
func standIn(t *testing.T, dir, want string) {
	t.Helper()
	const program = `#!/bin/sh -e
test $# = 5 && test "$1 $2 $4 $5" = "-f -o /dev/fd/4 /dev/fd/3"
case $3 in
ro,norecovery,offset=0) cmp /dev/fd/4 DIR/x.img ;;
ro,norecovery,offset=*) tail -c +$((${3##*=} + 1)) /dev/fd/4 | head -c 67108864 | cmp - DIR/x.img ;;
*) exit 1 ;;
esac
exec squashfuse_ll -f DIR/tree.sqfs /dev/fd/3
`
	if err := os.WriteFile(filepath.Join(dir, "fuse2fs"), []byte(strings.ReplaceAll(program, "DIR", dir)), 0o755); err != nil {
		t.Fatal(err)
	}
	inScript(t, dir, `mkdir -p tree/upper/opt/data; cp file tree/upper/opt/data; sealift image pack tree tree.sqfs
cat > uses <<'END'
`+ext3Uses+`END`)
	const place = "mount --bind fuse2fs $(command -v fuse2fs); "
	if out := inScript(t, dir, `unshare -m sh -euc '`+place+`. ./uses'`); out != want {
		t.Errorf("by another program:\n%s", out)
	}
	inScript(t, dir, `printf '#!/bin/sh\necho it is damaged >&2; exit 3' > fuse2fs`)
	out := inScript(t, dir, `unshare -m sh -euc '`+place+`! sealift exec --bind x.img:/mnt:image-src=/ $BB echo started'`)
	if want := fmt.Sprintf("container killed: mount %s/x.img: fuse2fs: exit status 3: it is damaged\n", dir); !strings.Contains(out, want) || strings.Contains(out, "started") {
		t.Errorf("%q is missing in %s", want, out)
	}
}

// machineOf returns the architecture of programs here.
func machineOf(t *testing.T) elf.Machine {
	t.Helper()
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Machine
}

// usable says whether fuse2fs is one that can be given a mount.
func usable(t *testing.T) bool {
	t.Helper()
	path, err := exec.LookPath("fuse2fs")
	if err != nil {
		return false
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	return !slices.Contains(libraries, "libfuse.so.2")
}

// TestMountersEnd kills sealift, or lets it end: no program that serves a file system
// is left.
func TestMountersEnd(t *testing.T) {
	asUser(t, "^TestMountersEnd$")
	dir := t.TempDir()
	inScript(t, dir, `mkdir tree; echo content > tree/file; sealift image pack tree tree.sqfs`)
	for name, script := range map[string]string{
		"ended":  `sealift exec --fusemount "$1:squashfuse_ll $PWD/tree.sqfs /mnt" --bind /usr,/lib,/lib64 $BB cat /mnt/file`,
		"killed": `sealift exec --fusemount "$1:squashfuse_ll $PWD/tree.sqfs /mnt" --bind /usr,/lib,/lib64,$PWD $BB sh -c "cat /mnt/file; touch $PWD/started; sleep 60" & until test -e started; do sleep 0.02; done; kill -9 $!; rm started`,
	} {
		for _, kind := range []string{"host", "host-daemon", "container", "container-daemon"} {
			if out := inScript(t, dir, "set -- "+kind+"\n"+script); out != "content\n" {
				t.Errorf("%s, %s: %s", kind, name, out)
			}
			deadline := time.Now().Add(2 * time.Second)
			for running(t, filepath.Join(dir, "tree.sqfs")) && time.Now().Before(deadline) {
				time.Sleep(20 * time.Millisecond)
			}
			if running(t, filepath.Join(dir, "tree.sqfs")) {
				t.Errorf("%s, %s: its program runs on", kind, name)
			}
		}
	}
}
