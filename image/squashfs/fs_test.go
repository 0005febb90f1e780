package squashfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/image/squashfs/format"
)

var (
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

func TestFSContract(t *testing.T) {
	// Not the root: TestFS cannot know that a device has no content.
	fsys, err := fs.Sub(open(t, testdata(t, "zstd")).FS(), "dir")
	check(t, err)
	if err := fstest.TestFS(fsys, "CCCC1", "CCCC2", "sub2/leaf"); err != nil {
		t.Error(err)
	}
	fsys = open(t, testdata(t, "indexed")).FS()
	if err := fstest.TestFS(fsys, "a-name-long-enough-to-need-an-index-399"); err != nil {
		t.Error(err)
	}
}

func TestLinksStayInside(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "file"), []byte("in the image"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "a/b/deep"), []byte("deep"), 0o600))
	links := map[string]string{
		"absolute": "/file", "up": "../../../../file", "a/b/up": "../../file", "a/root": "/",
		"chain0": "file", "self": "self", "ping": "pong", "pong": "ping", "dangling": "/nowhere",
		"dots": "a/./b/.././b//deep", "dirlink": "a/b/", "slash": "file/", "under": "file/x",
	}
	for i := range 45 {
		links["chain"+strconv.Itoa(i+1)] = "chain" + strconv.Itoa(i)
	}
	for name, target := range links {
		check(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	fsys := open(t, mksquashfs(t, dir)).FS()
	for name, want := range map[string]string{
		"absolute": "in the image", "up": "in the image", "a/b/up": "in the image", "a/root/file": "in the image",
		"a/root/a/root/absolute": "in the image", "dots": "deep", "dirlink/deep": "deep", "chain39": "in the image",
	} {
		if b, err := fs.ReadFile(fsys, name); string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, want := range map[string]error{
		"self": syscall.ELOOP, "ping": syscall.ELOOP, "chain40": syscall.ELOOP, "dangling": fs.ErrNotExist,
		"slash": syscall.ENOTDIR, "under": syscall.ENOTDIR, "file/x": syscall.ENOTDIR, "no/such": fs.ErrNotExist,
		"../file": fs.ErrInvalid, "/file": fs.ErrInvalid, "a": syscall.EISDIR,
	} {
		if _, err := fs.ReadFile(fsys, name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	for name, target := range links {
		if got, err := fs.ReadLink(fsys, name); got != target {
			t.Errorf("%s leads to %q, %v", name, got, err)
		}
		if info, err := fs.Lstat(fsys, name); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("lstat %s: %v, %v", name, info, err)
		}
	}
}

func TestOpenFile(t *testing.T) {
	fsys := open(t, testdata(t, "gzip")).FS()
	f, err := fsys.Open("big")
	check(t, err)
	seeker := f.(io.ReadSeeker)
	_, err = seeker.Seek(-5, io.SeekEnd)
	check(t, err)
	b, err := io.ReadAll(f)
	check(t, err)
	whole, err := fsys.ReadFile("big")
	check(t, err)
	if string(b) != string(whole[len(whole)-5:]) {
		t.Errorf("read %q", b)
	}
	info, err := f.Stat()
	check(t, err)
	if ino := info.Sys().(*Inode); ino.Nlink != 2 || info.Name() != "big" || info.ModTime().Unix() != 1000000000 {
		t.Errorf("%v with %d links", info, ino.Nlink)
	}
	check(t, f.Close())
}

func TestOpenOthers(t *testing.T) {
	fsys := open(t, testdata(t, "gzip")).FS()
	for name, want := range map[string]fs.FileMode{
		"dev":   fs.ModeDevice | fs.ModeCharDevice | 0o666,
		"fifo":  fs.ModeNamedPipe | 0o644,
		"dir":   fs.ModeDir | 0o755,
		"owned": fs.ModeSetuid | 0o755,
	} {
		f, err := fsys.Open(name)
		check(t, err)
		info, err := f.Stat()
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		_, err = f.Read(make([]byte, 1))
		if (err == nil) != want.IsRegular() {
			t.Errorf("read of %s: %v", name, err)
		}
	}
	if _, err := fsys.ReadLink("big"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("readlink of a file: %v", err)
	}
	if _, err := fsys.ReadDir("big"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("readdir of a file: %v", err)
	}
}

func TestReaderRefusesOtherTypes(t *testing.T) {
	r := open(t, testdata(t, "gzip"))
	root, err := r.Inode(r.Root())
	check(t, err)
	file, err := r.Child(root, "big")
	check(t, err)
	if _, err := r.ReadAt(root, make([]byte, 1), 0); err == nil {
		t.Error("read a directory")
	}
	if _, err := r.ReadDir(file); err == nil {
		t.Error("listed a file")
	}
	if _, err := r.ReadAt(file, make([]byte, 1), -1); err == nil {
		t.Error("read before the start")
	}
	if _, err := r.FragmentEntry(99); !errors.Is(err, ErrCorrupt) {
		t.Errorf("fragment 99: %v", err)
	}
	if s := r.Super(); s.Compression != format.Gzip || !r.HasXattrs() {
		t.Errorf("superblock %+v", s)
	}
	if name := strings.Repeat("x", 300); true {
		if _, err := r.Lookup(root, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("long name: %v", err)
		}
	}
}
