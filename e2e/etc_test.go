package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// etcFiles are the files of /etc that a container gets of the host, or made up.
var etcFiles = []string{"passwd", "group", "hosts", "resolv.conf", "localtime", "hostname"}

// etcImage is a way in which an image's /etc can be odd.
type etcImage struct {
	name string
	// spoil makes it so: root is the image's directory, host a file of the host's.
	spoil func(root, host string) error
	// unnamed says that the caller stays unknown, unbound that the host's files are
	// not shown; a served image may do better than a directory.
	unnamed, unbound bool
}

// each calls f with the path of every one of the files, which is gone.
func each(f func(path, name string) error) func(root, host string) error {
	return func(root, _ string) error {
		for _, name := range etcFiles {
			path := filepath.Join(root, "etc", name)
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			if err := f(path, name); err != nil {
				return err
			}
		}
		return nil
	}
}

func linked(to string) func(root, host string) error {
	return each(func(path, name string) error { return os.Symlink(to+name, path) })
}

// etcImages is the torture set of T84 and T85.
var etcImages = []etcImage{
	{name: "links to run", spoil: linked("../run/nothing/")},
	{name: "dangling links", spoil: linked("/nowhere/")},
	{name: "links up", spoil: linked("../../../../../../../../../nowhere/")},
	{name: "links in a circle", spoil: each(func(path, name string) error { return os.Symlink(name, path) })},
	{name: "links to a file of the host", spoil: func(root, host string) error {
		return each(func(path, _ string) error { return os.Symlink(host, path) })(root, host)
	}},
	{name: "directories", unnamed: true, unbound: true, spoil: each(func(path, _ string) error { return os.Mkdir(path, 0o755) })},
	{name: "nothing", spoil: each(func(string, string) error { return nil })},
	{name: "no etc", spoil: func(root, _ string) error { return os.RemoveAll(filepath.Join(root, "etc")) }},
	{name: "etc elsewhere", spoil: func(root, _ string) error {
		return errors.Join(os.MkdirAll(filepath.Join(root, "usr"), 0o755), os.Rename(filepath.Join(root, "etc"), filepath.Join(root, "usr/etc")),
			os.Symlink("usr/etc", filepath.Join(root, "etc")))
	}},
	{name: "etc leads nowhere", spoil: func(root, _ string) error {
		return errors.Join(os.RemoveAll(filepath.Join(root, "etc")), os.Symlink("/nowhere/etc", filepath.Join(root, "etc")))
	}},
	{name: "etc is a file", unnamed: true, unbound: true, spoil: func(root, _ string) error {
		return errors.Join(os.RemoveAll(filepath.Join(root, "etc")), os.WriteFile(filepath.Join(root, "etc"), nil, 0o644))
	}},
	{name: "FIFOs", spoil: each(func(path, _ string) error { return syscall.Mkfifo(path, 0o644) })},
	{name: "read-only", spoil: func(root, _ string) error {
		err := each(func(path, _ string) error { return os.WriteFile(path, []byte("root:x:0:0::/:/bin/sh\n"), 0o400) })(root, "")
		return errors.Join(err, os.Chmod(filepath.Join(root, "etc"), 0o555))
	}},
	{name: "zeros", unnamed: true, spoil: each(func(path, _ string) error { return os.WriteFile(path, make([]byte, 1000), 0o644) })},
	{name: "garbage", spoil: each(func(path, _ string) error {
		return os.WriteFile(path, []byte(":::::::\n"+strings.Repeat("\xff", 70_000)+":x:\n-1:x:99999999999:\nend"), 0o644)
	})},
	{name: "a line of 1 GiB", unnamed: true, spoil: each(func(path, name string) error {
		if name != "passwd" && name != "group" {
			return os.WriteFile(path, nil, 0o644)
		}
		return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<30))
	})},
	{name: "a million users", unnamed: true, spoil: each(func(path, name string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		w := bufio.NewWriter(f)
		for i := range 1_000_000 {
			fmt.Fprintf(w, "u%d:x:%d:%d::/:\n", i, i+1_000_000, i)
		}
		return errors.Join(w.Flush(), f.Close())
	})},
}

// look prints what is in /etc, but reads nothing that has no end soon.
const look = `stat -L -c 'uid %u' /proc/self
for f in passwd group hosts resolv.conf localtime; do
	if [ -f /etc/$f ] && [ "$(stat -L -c %s /etc/$f)" -lt 1000000 ]; then cat /etc/$f; fi
done
if [ -f /etc/passwd ] && [ "$(stat -L -c %s /etc/passwd)" -lt 1000000 ] && grep -q ":x:$UID:" /etc/passwd; then echo named; fi
if [ -f /etc/resolv.conf ] && cmp -s /etc/resolv.conf /mnt/resolv; then echo resolves; fi
exit 0
`

// hostOnly is a file of the host that busybox images lack.
const hostOnly = "/usr/lib/os-release"

// TestEtc (T84, T85): whatever an image has in the place of the files that a
// container needs in /etc, it starts, shows nothing of the host that it should not,
// and names the caller where it can.
func TestEtc(t *testing.T) {
	asUser(t, "^TestEtc$")
	sealift, busybox := busyboxImage(t)
	dir := t.TempDir()
	base, resolv := filepath.Join(dir, "base"), filepath.Join(dir, "resolv")
	text, err := os.ReadFile("/etc/resolv.conf")
	if err = errors.Join(err, os.WriteFile(resolv, text, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sealift, "image", "unpack", busybox, base).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	for _, e := range etcImages {
		t.Run(e.name, func(t *testing.T) {
			root := filepath.Join(dir, strings.ReplaceAll(e.name, " ", "-"))
			if out, err := exec.Command("cp", "-a", base, root).CombinedOutput(); err != nil {
				t.Fatal(err, string(out))
			}
			if err := e.spoil(root, hostOnly); err != nil {
				t.Fatal(err)
			}
			file := root + ".sqfs"
			if out, err := exec.Command(sealift, "image", "pack", root, file).CombinedOutput(); err != nil {
				t.Fatal(err, string(out))
			}
			for _, image := range []string{root, file} {
				for _, flag := range []string{"--no-umask", "--contain", "--fakeroot"} {
					e.try(t, sealift, image, flag, resolv)
				}
			}
			if out, err := exec.Command("chmod", "-R", "u+rwX", root).CombinedOutput(); err != nil {
				t.Error(err, string(out)) // it could not be removed
			}
		})
	}
}

// try starts a container with a flag.
func (e etcImage) try(t *testing.T, sealift, image, flag, resolv string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	uid := os.Getuid()
	if flag == "--fakeroot" {
		uid = 0
	}
	// A process starts with its parent's peak of memory, so a small one in between.
	cmd := exec.CommandContext(ctx, "time", "-q", "-f", "peak %M", sealift, "exec", flag, "--bind", resolv+":/mnt/resolv:ro", image,
		"/bin/sh", "-c", strings.ReplaceAll(look, "$UID", fmt.Sprint(uid)))
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	lines := strings.Split(string(out), "\n")
	if err != nil || !slices.Contains(lines, fmt.Sprintf("uid %d", uid)) || took > 20*time.Second {
		t.Errorf("%s %s: %v after %v\n%.2000s", flag, image, err, took, out)
	}
	if strings.Contains(string(out), "PRETTY_NAME") {
		t.Errorf("%s %s shows a file of the host:\n%s", flag, image, out)
	}
	served := strings.HasSuffix(image, ".sqfs")
	if named := slices.Contains(lines, "named"); served && uid != 0 && named == e.unnamed {
		t.Errorf("%s %s: named %v\n%.2000s", flag, image, named, out)
	}
	if bound := slices.Contains(lines, "resolves"); served && bound == e.unbound {
		t.Errorf("%s %s: resolv.conf is shown: %v\n%.2000s", flag, image, bound, out)
	}
	_, peak, _ := strings.Cut(string(out), "\npeak ")
	if rss, err := strconv.Atoi(strings.TrimSpace(peak)); err != nil || rss > 300<<10 {
		t.Errorf("%s %s: peak of memory: %d KiB, %v", flag, image, rss, err)
	}
}

// TestResolverIsFollowed: where the host's resolv.conf is a link to a file that is
// replaced from time to time, a container sees the new one.
func TestResolverIsFollowed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can set the host up so")
	}
	sealift, busybox := busyboxImage(t)
	script := `set -e
mount -t tmpfs tmpfs /run
mkdir /run/resolve && echo 'nameserver 192.0.2.1' > /run/resolve/conf
mkdir /run/etc && cp -a /etc/. /run/etc && ln -sf ../run/resolve/conf /run/etc/resolv.conf && mount --bind /run/etc /etc
mkfifo /run/changed
"$1" exec --bind /run/changed:/mnt/changed "$2" sh -c 'cat /etc/resolv.conf; echo > /mnt/changed; read x < /mnt/changed; cat /etc/resolv.conf' &
read x < /run/changed
echo 'nameserver 192.0.2.2' > /run/resolve/new && mv /run/resolve/new /run/resolve/conf
echo > /run/changed
wait $!`
	out, err := exec.Command("unshare", "-m", "sh", "-c", script, "sh", sealift, busybox).CombinedOutput()
	if want := "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}
