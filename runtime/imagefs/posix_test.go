package imagefs

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// posixTree fills dir with what posixChecks and posixErrors look at.
func posixTree(dir string) error {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	noise := make([]byte, 300_007)
	rand.NewChaCha8([32]byte{}).Read(noise)
	contents := map[string][]byte{
		"program": program, "empty": nil, "one": {1}, "noise": noise, "dir/sub/file": noise[:5],
		"page": noise[:4096], "text": bytes.Repeat([]byte("line\n"), 60_000), strings.Repeat("n", 255): noise[:9],
		"holes": slices.Concat(noise[:100], make([]byte, 1<<20), noise[:200_000], make([]byte, 700_001)),
	}
	for i := range 500 {
		contents[fmt.Sprintf("dir/%d%s", i, strings.Repeat("x", i%60))] = nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "dir/sub"), 0o755); err != nil {
		return err
	}
	for name, b := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"link": "text", "loop": "loop", "dangling": "no/where", "longlink": strings.Repeat("y/", 2000) + "z"} {
		if err := os.Symlink(text, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return cmp.Or(
		unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o600, 0), // needs no privilege
		os.Chmod(filepath.Join(dir, "program"), 0o755),
		os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "linked")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	)
}

// TestPosix runs calls on a mounted image in a process that only sees it
// mounted. What they do on the directory it was made from is the reference.
func TestPosix(t *testing.T) {
	images(t) // for mksquashfs
	dir := t.TempDir()
	source, list := filepath.Join(dir, "source"), filepath.Join(dir, "pseudo")
	if err := cmp.Or(os.Mkdir(source, 0o755), os.Chmod(dir, 0o755), posixTree(source)); err != nil {
		t.Fatal(err)
	}
	tag := func(name, value string) error {
		return unix.Setxattr(filepath.Join(source, "one"), name, []byte(value), 0)
	}
	need(t, cmp.Or(tag("user.colour", "blue\x00!"), tag("user.empty", "")), "extended attributes in the temporary directory")
	if err := os.WriteFile(list, []byte(pseudo), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "posix.sqfs")
	if err := mksquashfs(source, path, "-comp", "lz4", "-pf", list); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]ids{"root": asRoot, "user root": asUserRoot} {
		t.Run(name, func(t *testing.T) {
			a := mount(t, who, path, Options{})
			for _, call := range slices.Sorted(maps.Keys(posixChecks)) {
				if err := a.do(nil, "posix", call, source); err != nil {
					t.Errorf("%s: %v", call, err)
				}
			}
			for _, c := range posixErrors {
				if err := a.do(nil, "errno", c.name, source); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			}
			if err := a.server.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// posixError is a call below root and the error it has to return, 0 for none.
type posixError struct {
	name string
	want unix.Errno
	call func(root string) error
}

// posixErrors that do not tell of a read-only file system hold for the source
// as well.
var posixErrors = []posixError{
	{"open to write", unix.EROFS, opening("text", unix.O_WRONLY)},
	{"open to read and write", unix.EROFS, opening("text", unix.O_RDWR)},
	{"open and truncate", unix.EROFS, opening("text", unix.O_TRUNC)},
	{"open to append", unix.EROFS, opening("text", unix.O_WRONLY|unix.O_APPEND)},
	{"create", unix.EROFS, opening("new", unix.O_CREAT|unix.O_RDWR)},
	{"open a made-up name below a directory to write", unix.EROFS, opening("dir/new", unix.O_CREAT|unix.O_WRONLY)},
	{"make a nameless file", unix.EROFS, opening("dir", unix.O_TMPFILE|unix.O_RDWR)},
	{"open a directory to write", unix.EISDIR, opening("dir", unix.O_WRONLY)},
	{"open or create what exists", 0, opening("text", unix.O_CREAT)},
	{"create what exists", unix.EEXIST, opening("text", unix.O_CREAT|unix.O_EXCL)},
	{"open a file as a directory", unix.ENOTDIR, opening("text", unix.O_DIRECTORY)},
	{"open a link itself", unix.ELOOP, opening("link", unix.O_NOFOLLOW)},
	{"open the place of a link", 0, opening("link", unix.O_NOFOLLOW|unix.O_PATH)},
	{"open a loop", unix.ELOOP, opening("loop", 0)},
	{"open a dangling link", unix.ENOENT, opening("dangling", 0)},
	{"open below a file", unix.ENOTDIR, opening("text/x", 0)},
	{"open a file as if a directory", unix.ENOTDIR, opening("text/", 0)},
	{"open a missing name", unix.ENOENT, opening("none", 0)},
	{"open the longest name", 0, opening(strings.Repeat("n", 255), 0)},
	{"open a longer name", unix.ENAMETOOLONG, opening(strings.Repeat("n", 256), 0)},
	{"open a missing long name", unix.ENOENT, opening(strings.Repeat("m", 255), 0)},
	{"open a socket", unix.ENXIO, opening("socket", 0)},
	{"open a pipe", 0, opening("fifo", unix.O_NONBLOCK)},
	{"mkdir", unix.EROFS, at("new", func(p string) error { return unix.Mkdir(p, 0o755) })},
	{"mkdir of what exists", unix.EEXIST, at("dir", func(p string) error { return unix.Mkdir(p, 0o755) })},
	{"mknod", unix.EROFS, at("new", func(p string) error { return unix.Mknod(p, unix.S_IFIFO|0o644, 0) })},
	{"unlink", unix.EROFS, at("one", unix.Unlink)},
	{"rmdir", unix.EROFS, at("dir/sub", unix.Rmdir)},
	{"rename", unix.EROFS, at("one", func(p string) error { return unix.Rename(p, p+"2") })},
	{"exchange", unix.EROFS, at("one", func(p string) error {
		return unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, p+"ed", unix.RENAME_EXCHANGE)
	})},
	{"link", unix.EROFS, at("one", func(p string) error { return unix.Link(p, p+"2") })},
	{"symlink", unix.EROFS, at("new", func(p string) error { return unix.Symlink("x", p) })},
	{"chmod", unix.EROFS, at("one", func(p string) error { return unix.Chmod(p, 0o600) })},
	{"lchown", unix.EROFS, at("one", func(p string) error { return unix.Lchown(p, 0, 0) })},
	{"utimes", unix.EROFS, at("one", func(p string) error { return unix.Utimes(p, make([]unix.Timeval, 2)) })},
	{"truncate", unix.EROFS, at("one", func(p string) error { return unix.Truncate(p, 0) })},
	{"setxattr", unix.EROFS, at("one", func(p string) error { return unix.Setxattr(p, "user.x", nil, 0) })},
	{"removexattr", unix.EROFS, at("one", func(p string) error { return unix.Removexattr(p, "user.colour") })},
	{"may write", unix.EROFS, at("one", func(p string) error { return unix.Access(p, unix.W_OK) })},
	{"may write as oneself", unix.EROFS, at("one", func(p string) error {
		return unix.Faccessat2(unix.AT_FDCWD, p, unix.W_OK, unix.AT_EACCESS)
	})},
	{"may read", 0, at("one", func(p string) error { return unix.Access(p, unix.R_OK|unix.F_OK) })},
	{"may execute", 0, at("program", func(p string) error { return unix.Access(p, unix.X_OK) })},
	{"may execute a text", unix.EACCES, at("text", func(p string) error { return unix.Access(p, unix.X_OK) })},
	{"may enter", 0, at("dir", func(p string) error { return unix.Access(p, unix.X_OK) })},
	{"may do to a missing name", unix.ENOENT, at("none", func(p string) error { return unix.Access(p, unix.F_OK) })},
	{"execute a text", unix.EACCES, at("text", func(p string) error { return unix.Exec(p, nil, nil) })},
	{"readlink of a file", unix.EINVAL, at("text", func(p string) error { return second(unix.Readlink(p, make([]byte, 9))) })},
	{"length of an attribute", 0, at("one", func(p string) error { return second(unix.Getxattr(p, "user.colour", nil)) })},
	{"attribute for too few bytes", unix.ERANGE, at("one", func(p string) error {
		return second(unix.Getxattr(p, "user.colour", make([]byte, 5)))
	})},
	{"attribute that is missing", unix.ENODATA, at("one", func(p string) error { return second(unix.Getxattr(p, "user.color", nil)) })},
	{"attribute of a file without", unix.ENODATA, at("text", func(p string) error { return second(unix.Getxattr(p, "user.colour", nil)) })},
	{"attributes for too few bytes", unix.ERANGE, at("one", func(p string) error { return second(unix.Listxattr(p, make([]byte, 12))) })},
	{"read a directory", unix.EISDIR, reading("dir", func(fd int) error { return second(unix.Read(fd, make([]byte, 9))) })},
	{"read before the start", unix.EINVAL, reading("text", func(fd int) error { return second(unix.Pread(fd, make([]byte, 9), -1)) })},
	{"write what is open to read", unix.EBADF, reading("text", func(fd int) error { return second(unix.Write(fd, []byte("x"))) })},
	{"list a file", unix.ENOTDIR, reading("text", func(fd int) error { return second(unix.Getdents(fd, make([]byte, 999))) })},
	{"list into too few bytes", unix.EINVAL, reading("dir", func(fd int) error { return second(unix.Getdents(fd, make([]byte, 20))) })},
	{"seek before the start", unix.EINVAL, reading("text", func(fd int) error { return second(unix.Seek(fd, -1, 0)) })},
	{"lock", 0, reading("text", func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })},
	{"sync", 0, reading("text", unix.Fsync)},
	{"map to write to the file", unix.EACCES, reading("text", func(fd int) error {
		return second(unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED))
	})},
}

// second drops a call's value.
func second[T any](_ T, err error) error { return err }

// at is a call on a path below the root.
func at(name string, call func(path string) error) func(root string) error {
	return func(root string) error { return call(filepath.Join(root, name)) }
}

// reading is a call on a file opened to read.
func reading(name string, call func(fd int) error) func(root string) error {
	return func(root string) error {
		fd, err := unix.Open(filepath.Join(root, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		defer unix.Close(fd)
		return call(fd)
	}
}

// opening opens with flags, and keeps a slash at the end of name.
func opening(name string, flags int) func(root string) error {
	return func(root string) error {
		fd, err := unix.Open(root+"/"+name, flags|unix.O_CLOEXEC, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

// checkError makes the call of posixErrors that has this name.
func checkError(root, name, source string) error {
	c := posixErrors[slices.IndexFunc(posixErrors, func(c posixError) bool { return c.name == name })]
	roots := []string{root, source}
	if c.want == unix.EROFS {
		roots = roots[:1]
	}
	for _, r := range roots {
		if err := c.call(r); cmp.Or(err, error(unix.Errno(0))) != c.want {
			return fmt.Errorf("below %s: %v, want %v", r, err, c.want)
		}
	}
	return nil
}
