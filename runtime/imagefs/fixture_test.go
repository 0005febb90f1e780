package imagefs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// fixtureDir is a scratch directory of the whole test process.
var fixtureDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "imagefs")
	if err != nil {
		panic(err)
	}
	return dir
})

// bigDir is the number of entries of the directory "big".
const bigDir = 3000

// pseudo are entries that mksquashfs adds, as mknod(2) needs privileges.
const pseudo = "dev d 755 0 0\n" + "dev/null c 666 0 0 1 3\n" + "dev/loop0 b 660 0 0 7 0\n" +
	"dev/large c 600 0 0 300 70000\n"

// makeTree fills dir with files of all kinds.
func makeTree(dir string) error {
	noise := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{})
	rng.Read(noise)
	contents := map[string][]byte{
		"etc/passwd": []byte("root:x:0:0::/root:/bin/sh\n"), "etc/group": []byte("root:x:0:\n"),
		"etc/shadow": []byte("root:*:::\n"), "files/empty": nil, "files/one": {1},
		"files/block": noise[:128<<10], "files/tail": noise[:300_000], "files/text": bytes.Repeat([]byte("abc\n"), 100_000),
		"files/setuid": []byte("#!"), "usr/bin/tool": noise[7:5000], "run/.keep": nil,
		"names/ü\n\t": []byte("u"), "names/" + strings.Repeat("n", 255): []byte("n"),
	}
	for i := range bigDir {
		contents[fmt.Sprintf("big/entry-%04d-with-a-long-name", i)] = noise[:i%8/7] // few take a READ
	}
	for name, b := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"bin": "usr/bin", "var/run": "../run", "var/lock": "/run/lock", "abs": "/etc/passwd",
		"loop": "loop", "dangling": "no/where", "up": "../../../../etc", "long": strings.Repeat("x/", 1000),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(text, path); err != nil {
			return err
		}
	}
	sparse, err := os.Create(filepath.Join(dir, "files/sparse"))
	if err != nil {
		return err
	}
	defer sparse.Close()
	if _, err := sparse.WriteAt(noise[:3000], 3<<20); err != nil {
		return err
	}
	if err := sparse.Truncate(9<<20 + 5); err != nil {
		return err
	}
	for _, step := range []error{
		os.Link(filepath.Join(dir, "files/one"), filepath.Join(dir, "files/linked")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		os.Chmod(filepath.Join(dir, "etc/shadow"), 0o640),
		os.Mkdir(filepath.Join(dir, "private"), 0o700),
		os.Chmod(filepath.Join(dir, "files/setuid"), 0o755|os.ModeSetuid),
	} {
		if step != nil {
			return step
		}
	}
	return own(dir)
}

// own gives files other owners when that is allowed.
func own(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	for name, id := range map[string]int{"files/text": 1000, "files/tail": 70000, "etc/shadow": 0} {
		if err := os.Lchown(filepath.Join(dir, name), id, id+1); err != nil {
			return err
		}
	}
	return nil
}

// tagged sets extended attributes, or tells that the file system has none.
func tagged(dir string) error {
	err := unix.Setxattr(filepath.Join(dir, "files/one"), "user.colour", []byte("blue\x00!"), 0)
	if err != nil {
		return err
	}
	if err := unix.Setxattr(filepath.Join(dir, "files"), "user.empty", nil, 0); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil
	}
	return unix.Setxattr(filepath.Join(dir, "files/one"), "trusted.secret", []byte("s"), 0)
}

type fixture struct {
	source string // the directory the image was made from
	plain  string // image without extended attributes
	full   string // image with them; empty if the file system has none
	err    error
}

var theFixture = sync.OnceValue(func() (f fixture) {
	f.source = filepath.Join(fixtureDir(), "source")
	f.plain, f.full = filepath.Join(fixtureDir(), "plain.sqfs"), filepath.Join(fixtureDir(), "full.sqfs")
	list := filepath.Join(fixtureDir(), "pseudo")
	if f.err = os.Mkdir(f.source, 0o755); f.err != nil {
		return f
	}
	if f.err = makeTree(f.source); f.err != nil {
		return f
	}
	if f.err = os.WriteFile(list, []byte(pseudo), 0o644); f.err != nil {
		return f
	}
	if f.err = mksquashfs(f.source, f.plain, "-comp", "zstd", "-no-xattrs", "-pf", list); f.err != nil {
		return f
	}
	if tagged(f.source) != nil {
		f.full = ""
		return f
	}
	f.err = mksquashfs(f.source, f.full, "-comp", "gzip", "-b", "64K", "-pf", list)
	return f
})

func mksquashfs(args ...string) error {
	if os.Getuid() != 0 {
		args = append(args, "-all-root")
	}
	out, err := exec.Command("mksquashfs", append(args, "-noappend", "-quiet", "-no-progress")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mksquashfs: %w: %s", err, out)
	}
	return nil
}

// images returns the test images.
func images(t testing.TB) fixture {
	t.Helper()
	_, err := exec.LookPath("mksquashfs")
	need(t, err, "make an image")
	f := theFixture()
	if f.err != nil {
		t.Fatal(f.err)
	}
	return f
}
