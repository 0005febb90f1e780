package imagefs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

func TestUnmountEndsServe(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	a.must(nil, "read", "etc/passwd")
	a.must(nil, "umount")
	if err := a.wait(); err != nil {
		t.Error(err)
	}
	if err := a.server.Close(); err != nil {
		t.Error(err)
	}
}

func TestDeathOfMounterEndsServe(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	a.must(nil, "read", "etc/passwd")
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	a.cmd.Wait()
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsServe(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{})
	a.must(nil, "read", "etc/passwd")
	time.Sleep(10 * time.Millisecond) // for all workers to block
	if err := a.server.Close(); err != nil {
		t.Error(err)
	}
	if err := a.wait(); err != nil {
		t.Error(err)
	}
	if err := a.do(nil, "read", "files/tail"); err == nil || err.Error() != unix.ENOTCONN.Error() {
		t.Errorf("read afterwards: %v", err)
	}
}

func TestCloseUnderLoad(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{Workers: 2})
	done := make(chan error)
	go func() { done <- a.do(nil, "parallel", ".", "4") }()
	time.Sleep(20 * time.Millisecond)
	if err := a.server.Close(); err != nil {
		t.Error(err)
	}
	if err := a.wait(); err != nil {
		t.Error(err)
	}
	<-done // with or without an error: it ended
}

// TestCloseBeforeServe also shows that Serve owns the descriptor.
func TestCloseBeforeServe(t *testing.T) {
	a := start(t, asUserRoot)
	fd, err := receiveFD(a.conn)
	need(t, err, "mount")
	s := newServer(t, images(t).plain, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(fd); err != nil {
		t.Error(err)
	}
	if err := unix.Close(fd); err != unix.EBADF {
		t.Errorf("Serve left its descriptor: %v", err)
	}
}

func TestServeWithoutMount(t *testing.T) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	need(t, err, "/dev/fuse")
	s := newServer(t, images(t).plain, Options{})
	if err := s.Serve(fd); !errors.Is(err, unix.EPERM) {
		t.Errorf("got %v", err)
	}
}

func TestOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	a := mount(t, asUserRoot, images(t).plain, Options{})
	got := map[string]file{}
	a.must(&got, "parallel", ".", "2")
	if len(got) < bigDir {
		t.Errorf("%d files", len(got))
	}
	if err := a.server.Close(); err != nil {
		t.Error(err)
	}
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

// damaged returns the path of a copy of the plain image that patch changed.
func damaged(t *testing.T, patch func([]byte)) string {
	t.Helper()
	b, err := os.ReadFile(images(t).plain)
	if err != nil {
		t.Fatal(err)
	}
	patch(b)
	path := filepath.Join(t.TempDir(), "damaged.sqfs")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inode finds a path's inode.
func inode(t *testing.T, r *squashfs.Reader, path string) *squashfs.Inode {
	t.Helper()
	ino, err := r.Inode(r.Root())
	for _, name := range split(path) {
		if err != nil {
			t.Fatal(err)
		}
		var e format.DirEntry
		if e, err = r.Lookup(ino, name); err == nil {
			ino, err = r.Inode(e.Ref)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return ino
}

func TestDamagedData(t *testing.T) {
	victim := inode(t, open(t, images(t).plain), "files/text")
	path := damaged(t, func(b []byte) {
		for i := range 16 {
			b[victim.Start+uint64(i)] ^= 0x5a
		}
	})
	a := mount(t, asUserRoot, path, Options{})
	for range 2 {
		if err := a.do(nil, "read", "files/text"); err == nil || err.Error() != unix.EIO.Error() {
			t.Errorf("damaged file: %v", err)
		}
	}
	a.must(nil, "read", "files/tail")
	a.must(nil, "names", "big", "4096")
	if err := a.server.Err(); !errors.Is(err, squashfs.ErrCorrupt) || strings.Contains(err.Error(), "\n") {
		t.Errorf("reported %v", err)
	}
}

// TestTruncated: the image loses its end, with the inodes, while it is used.
func TestTruncated(t *testing.T) {
	path := damaged(t, func([]byte) {})
	a := mount(t, asUserRoot, path, Options{})
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	if err := a.do(nil, "read", "files/tail"); err == nil || err.Error() != unix.EIO.Error() {
		t.Errorf("read: %v", err)
	}
	if a.server.Err() == nil {
		t.Error("nothing is reported")
	}
	a.must(nil, "umount")
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

// TestDamagedMetadata breaks bytes all over the tables: whatever that makes of
// the tree, the walk ends and the server lives.
func TestDamagedMetadata(t *testing.T) {
	super := open(t, images(t).plain).Super()
	mounted := 0
	for _, at := range []uint64{
		super.InodeTable, super.InodeTable + 300, super.InodeTable + 2000, super.InodeTable + 2,
		super.DirTable, super.DirTable + 5, super.DirTable + 400, super.FragmentTable - 3,
	} {
		path := damaged(t, func(b []byte) { b[at] ^= 0x41 })
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := squashfs.Open(f, int64(super.BytesUsed), squashfs.Options{})
		if err != nil {
			continue
		}
		s, err := New(r, Options{})
		if err != nil {
			continue
		}
		mounted++
		a := serve(t, asUserRoot, s)
		a.must(nil, "sh", "ls -laR . >/dev/null 2>&1; find . -type f | head -100 | xargs -d '\\n' cat >/dev/null 2>&1; true")
		a.must(nil, "umount")
		if err := a.wait(); err != nil {
			t.Error(err)
		}
	}
	if mounted == 0 {
		t.Error("no damaged image could be opened")
	}
}

// TestDirectoryLoop makes entries of an image's directories lead to their
// parent and to the root.
func TestDirectoryLoop(t *testing.T) {
	images(t) // for mksquashfs
	dir := t.TempDir()
	for _, name := range []string{"source/parent/toparent", "source/parent/toroot", "source/parent/twice"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "loop.sqfs")
	if err := mksquashfs(filepath.Join(dir, "source"), path, "-noI"); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// An entry is an offset in the inode table's block, a difference of inode
	// numbers, a type, a length, each of 16 bits, and the name.
	for name, target := range map[string]string{"toparent": "parent", "toroot": "", "twice": "parent/toparent"} {
		at := bytes.LastIndex(b, []byte(name))
		binary.LittleEndian.PutUint16(b[at-8:], inode(t, r, target).Ref.Offset())
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	a := mount(t, asUserRoot, path, Options{})
	var out string
	a.must(&out, "sh", "timeout 20 find . 2>/dev/null | wc -l; ls parent/toroot 2>&1 >/dev/null | wc -l")
	if lines := strings.Fields(out); len(lines) != 2 || len(lines[0]) > 2 || lines[1] == "0" {
		t.Errorf("got %q", out)
	}
}
