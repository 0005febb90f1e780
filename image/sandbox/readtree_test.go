package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/tree"
)

func read(t *testing.T, path string, o ReadOptions) (*tree.Node, error) {
	t.Helper()
	return ReadTree(t.Context(), openDir(t, path), o)
}

func mustRead(t *testing.T, path string, o ReadOptions) *tree.Node {
	t.Helper()
	n, err := read(t, path, o)
	must(t, err)
	return n
}

// find returns the node at a path of names joined by slashes.
func find(t *testing.T, n *tree.Node, path string) *tree.Node {
	t.Helper()
	for name := range strings.SplitSeq(path, "/") {
		if n = n.Entries[name]; n == nil {
			t.Fatalf("no %s", path)
		}
	}
	return n
}

func text(t *testing.T, n *tree.Node) string {
	t.Helper()
	r, err := n.Content.(tree.Opener).Open()
	must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return string(b)
}

func TestReadTree(t *testing.T) {
	root := t.TempDir() + "/root"
	write(t, root+"/bin/sh", "program")
	must(t, os.Link(root+"/bin/sh", root+"/bin/bash"))
	must(t, os.Chmod(root+"/bin/sh", 0o755|os.ModeSetuid))
	symlink(t, "../../outside", root+"/bin/link")
	must(t, unix.Mkfifo(root+"/fifo", 0o640))
	must(t, os.Mkdir(root+"/empty", 0o700|os.ModeSticky))
	must(t, os.Chmod(root+"/empty", 0o700|os.ModeSticky))
	must(t, unix.Lsetxattr(root+"/bin", "user.b", []byte("2"), 0))
	must(t, unix.Lsetxattr(root+"/bin", "user.a", []byte("1\x00"), 0))
	must(t, unix.Lsetxattr(root+"/bin", "user.overlay.opaque", []byte("y"), 0))
	when := time.Unix(-5, 0)
	must(t, os.Chtimes(root+"/bin/sh", when, when))

	dir := openDir(t, root)
	n, err := ReadTree(t.Context(), dir, ReadOptions{IDs: func(u, g uint32) (uint32, uint32) { return u + 7, g + 8 }})
	must(t, err)
	if got := slices.Sorted(maps.Keys(n.Entries)); strings.Join(got, " ") != "bin empty fifo" {
		t.Errorf("entries %v", got)
	}
	bin, sh := find(t, n, "bin"), find(t, n, "bin/sh")
	if sh != find(t, n, "bin/bash") {
		t.Error("two names of a file are two nodes")
	}
	if sh.Mode != tree.TypeRegular|0o4755 || sh.ModTime != -5 || sh.Content.Size() != 7 || text(t, sh) != "program" {
		t.Errorf("sh is %+v", sh)
	}
	if sh.UID != uint32(os.Geteuid())+7 || sh.GID != uint32(os.Getegid())+8 {
		t.Errorf("sh belongs to %d:%d", sh.UID, sh.GID)
	}
	if l := find(t, n, "bin/link"); l.Mode&tree.TypeMask != tree.TypeSymlink || l.Target != "../../outside" {
		t.Errorf("link is %+v", l)
	}
	if f := find(t, n, "fifo"); f.Mode != tree.TypeFIFO|0o640 {
		t.Errorf("fifo is %+v", f)
	}
	if e := find(t, n, "empty"); e.Mode != tree.TypeDir|0o1700 || e.Entries == nil {
		t.Errorf("empty is %+v", e)
	}
	if fmt.Sprint(bin.Xattrs) != "[{user.a [49 0]} {user.b [50]}]" || bin.Opaque {
		t.Errorf("bin has %v, opaque %v", bin.Xattrs, bin.Opaque)
	}

	// Content is found through the directory's descriptor, and only as it was.
	must(t, os.Rename(root, root+"2"))
	if got := text(t, sh); got != "program" {
		t.Errorf("after a rename sh holds %q", got)
	}
	must(t, os.WriteFile(root+"2/bin/sh", []byte("longer program"), 0o755))
	_, err = sh.Content.(tree.Opener).Open()
	wantError(t, err, "bin/sh: it changed", "")
	must(t, os.Remove(root+"2/bin/sh"))
	must(t, os.Symlink("/etc/passwd", root+"2/bin/sh"))
	_, err = sh.Content.(tree.Opener).Open()
	wantError(t, err, "bin/sh", "")
	must(t, os.Rename(root+"2/bin", root+"2/bin2"))
	must(t, os.Symlink("bin2", root+"2/bin"))
	_, err = sh.Content.(tree.Opener).Open()
	if !errors.Is(err, unix.ELOOP) {
		t.Errorf("through a link: %v", err)
	}
}

// TestReadTreeSkips leaves out what is not to be read.
func TestReadTreeSkips(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a/b/c", "c")
	write(t, root+"/a/d", "d")
	var asked []string
	n := mustRead(t, root, ReadOptions{Skip: func(path string) bool {
		asked = append(asked, path)
		return path == "a/b"
	}})
	slices.Sort(asked)
	if got := strings.Join(asked, " "); got != "a a/b a/d" || find(t, n, "a").Entries["b"] != nil {
		t.Errorf("asked about %s, b is %v", got, find(t, n, "a").Entries["b"])
	}
	find(t, n, "a/d")
}

func TestReadTreeDevices(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t, unix.Mknod(root+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(root+"/disk", unix.S_IFBLK|0o660, int(unix.Mkdev(300, 70000))))
	must(t, os.Chown(root+"/disk", 4000000000, 5))
	v3 := "\x01\x00\x00\x03" + strings.Repeat("\x01", 16) + "\x00\x00\x00\x00"
	write(t, root+"/ping", "p")
	must(t, unix.Setxattr(root+"/ping", "trusted.t", []byte("t"), 0))
	must(t, unix.Setxattr(root+"/ping", "trusted.overlay.opaque", []byte("y"), 0))
	must(t, unix.Setxattr(root+"/ping", capability, []byte("\x01\x00\x00\x02"+v3[4:20]), 0))
	n := mustRead(t, root, ReadOptions{})
	if d := find(t, n, "null"); d.Mode != tree.TypeChar|0o666&^0o022 || d.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("null is %+v", d)
	}
	if d := find(t, n, "disk"); d.Mode&tree.TypeMask != tree.TypeBlock || d.Rdev != unix.Mkdev(300, 70000) || d.UID != 4000000000 {
		t.Errorf("disk is %+v", d)
	}
	var names []string
	for _, x := range find(t, n, "ping").Xattrs {
		names = append(names, x.Name)
	}
	if got := strings.Join(names, " "); got != "security.capability trusted.t" {
		t.Errorf("ping has %s", got)
	}
}

func TestRootlessCapabilities(t *testing.T) {
	v2 := "\x01\x00\x00\x02" + strings.Repeat("c", 16)
	v3 := "\x01\x00\x00\x03" + strings.Repeat("c", 16) + "\xdc\x05\x00\x00" // root is 1500
	mapped := treeReader{opts: ReadOptions{IDs: func(u, g uint32) (uint32, uint32) { return u - 1500, g }}}
	plain := treeReader{}
	for _, c := range []struct {
		r           treeReader
		attr, value string
		want        string
	}{
		{mapped, capability, v3, v2}, {plain, capability, v3, v3}, {mapped, capability, v2, v2},
		{mapped, "user.x", v3, v3}, {mapped, capability, v3[:23], v3[:23]},
		{plain, capability, v3[:20] + "\x00\x00\x00\x00", v2},
	} {
		if got := c.r.rootless(c.attr, []byte(c.value)); string(got) != c.want {
			t.Errorf("%s %x becomes %x, want %x", c.attr, c.value, got, c.want)
		}
	}
}

// What the kernel's overlayfs leaves in an upper directory.
func TestReadOverlayUpper(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/lower/etc/gone", "g")
		write(t, dir+"/lower/etc/kept", "k")
		write(t, dir+"/lower/opt/old/file", "o")
		for _, sub := range []string{"upper", "work", "merged"} {
			must(t, os.Mkdir(dir+"/"+sub, 0o755))
		}
		options := fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,userxattr", dir, dir, dir)
		if err := unix.Mount("overlay", dir+"/merged", "overlay", 0, options); err != nil {
			t.Skip("overlayfs in a user namespace: ", err)
		}
		must(t, os.Remove(dir+"/merged/etc/gone"))
		must(t, os.RemoveAll(dir+"/merged/opt/old"))
		must(t, os.Mkdir(dir+"/merged/opt/old", 0o755))
		write(t, dir+"/merged/opt/old/new", "n")
		must(t, unix.Setxattr(dir+"/merged/opt/old", "user.mine", []byte("m"), 0))
		must(t, unix.Unmount(dir+"/merged", 0))

		n := mustRead(t, dir+"/upper", ReadOptions{Overlay: true})
		if w := find(t, n, "etc/gone"); w.Mode&tree.TypeMask != tree.TypeChar || w.Rdev != 0 {
			t.Errorf("the whiteout is %+v", w)
		}
		old := find(t, n, "opt/old")
		if !old.Opaque || fmt.Sprint(old.Xattrs) != "[{user.mine [109]}]" || text(t, find(t, old, "new")) != "n" {
			t.Errorf("the opaque directory is %+v", old)
		}
		if etc := find(t, n, "etc"); etc.Opaque || len(etc.Entries) != 1 || len(etc.Xattrs) != 0 {
			t.Errorf("the merged directory is %+v", etc)
		}
	})
}

func TestOverlayAttributes(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/white", "")
	write(t, root+"/plain", "p")
	must(t, unix.Setxattr(root+"/white", "user.overlay.whiteout", nil, 0))
	must(t, unix.Setxattr(root, "user.overlay.opaque", []byte("x"), 0))
	must(t, unix.Setxattr(root+"/plain", "user.overlay.origin", []byte("x"), 0))
	n := mustRead(t, root, ReadOptions{Overlay: true})
	if w := find(t, n, "white"); w.Mode != tree.TypeChar || w.Content != nil || n.Opaque {
		t.Errorf("whiteout %+v, opaque %v", w, n.Opaque)
	}
	if w := find(t, mustRead(t, root, ReadOptions{}), "white"); w.Mode&tree.TypeMask != tree.TypeRegular || w.Xattrs != nil {
		t.Errorf("outside an overlay it is %+v", w)
	}
	must(t, unix.Setxattr(root+"/plain", "user.overlay.redirect", []byte("/x"), 0))
	_, err := read(t, root, ReadOptions{Overlay: true})
	wantError(t, err, "plain: the overlay was mounted with redirect_dir", "")
}

func TestReadUnreadable(t *testing.T) {
	root := t.TempDir()
	asUser(t, root, func() {
		write(t, root+"/etc/shadow", "secret")
		must(t, unix.Setxattr(root+"/etc/shadow", "user.x", []byte("y"), 0))
		write(t, root+"/locked/file", "f")
		must(t, os.Chmod(root+"/locked", 0))
		_, err := read(t, root, ReadOptions{})
		wantError(t, err, "locked: permission denied", "make it readable")

		must(t, os.Chmod(root+"/locked", 0o755))
		must(t, os.Chmod(root+"/locked/file", 0))
		f := find(t, mustRead(t, root, ReadOptions{}), "locked/file")
		_, err = f.Content.(tree.Opener).Open()
		wantError(t, err, "locked/file: permission denied", "")

		must(t, os.Chmod(root+"/etc/shadow", 0))
		must(t, os.Chmod(root+"/locked", 0o2000))
		must(t, os.Chmod(root, 0o100))
		d, err := unix.Open(root, unix.O_PATH, 0)
		must(t, err)
		n, err := ReadTree(t.Context(), os.NewFile(uintptr(d), root), ReadOptions{Unlock: true})
		must(t, err)
		shadow, locked := find(t, n, "etc/shadow"), find(t, n, "locked")
		if shadow.Mode&0o7777 != 0 || len(shadow.Xattrs) != 1 || text(t, shadow) != "secret" {
			t.Errorf("shadow is %+v", shadow)
		}
		if locked.Mode&0o777 != 0 || n.Mode&0o777 != 0o100 || text(t, find(t, locked, "file")) != "f" {
			t.Errorf("locked is %+v", locked)
		}
		must(t, os.Chmod(root, 0o755))
	})
}

func TestReadTreeStopsAtMounts(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		root := t.TempDir()
		must(t, os.Mkdir(root+"/proc", 0o755))
		must(t, unix.Mount(t.TempDir(), root+"/proc", "", unix.MS_BIND, ""))
		defer unix.Unmount(root+"/proc", unix.MNT_DETACH)
		_, err := read(t, root, ReadOptions{})
		wantError(t, err, "proc: it is a mount point", "unmount it")
		mustRead(t, root, ReadOptions{Mounts: true})
	})
}

func TestReadTreeErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := t.TempDir()
	if _, err := ReadTree(ctx, openDir(t, root), ReadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	write(t, root+"/file", "f")
	_, err := ReadTree(t.Context(), openDir(t, root+"/file"), ReadOptions{})
	wantError(t, err, "not a directory", "")
	closed := openDir(t, root)
	must(t, closed.Close())
	_, err = ReadTree(t.Context(), closed, ReadOptions{})
	wantError(t, err, "bad file descriptor", "")
}
