package imagefs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// file is what the tests compare of a file.
type file struct {
	Mode     uint32
	UID, GID uint32
	Size     int64
	Blocks   int64
	Nlink    uint64
	Rdev     uint64
	MTime    int64
	Link     string
	Sum      string // of the content, or the error of reading it
	Xattrs   string
}

// agentCalls run in the agent; dir is where the image is mounted, and paths
// are relative to it.
var agentCalls = map[string]func(dir string, args []string) (any, error){
	"walk": func(dir string, args []string) (any, error) { return walk(filepath.Join(dir, args[0])) },
	"read": func(dir string, args []string) (any, error) {
		b, err := os.ReadFile(filepath.Join(dir, args[0]))
		return string(b), bare(err)
	},
	"stat": func(dir string, args []string) (any, error) {
		return stat(filepath.Join(dir, args[0]))
	},
	"names": func(dir string, args []string) (any, error) {
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return nil, err
		}
		return names(filepath.Join(dir, args[0]), size)
	},
	"seek": func(dir string, args []string) (any, error) { return nil, seekDir(filepath.Join(dir, args[0])) },
	"sh": func(dir string, args []string) (any, error) {
		cmd := exec.Command("sh", "-c", args[0])
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	},
	"parallel": func(dir string, args []string) (any, error) { return parallel(dir, args[0], args[1]) },
	"umount":   func(dir string, args []string) (any, error) { return nil, unix.Unmount(dir, 0) },
	"statfs": func(dir string, args []string) (any, error) {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		return st, err
	},
	"posix":  func(dir string, args []string) (any, error) { return nil, posixChecks[args[0]](dir, args[1]) },
	"errno":  func(dir string, args []string) (any, error) { return nil, checkError(dir, args[0], args[1]) },
	"random": func(dir string, args []string) (any, error) { return nil, randomReaders(dir, args[0], args[1]) },
	"write": func(dir string, args []string) (any, error) {
		return nil, bare(os.WriteFile(filepath.Join(dir, args[0]), nil, 0o644))
	},
}

// bare reduces an error to the text of its errno.
func bare(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

func stat(path string) (file, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return file{}, err
	}
	f := file{
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks, Nlink: uint64(st.Nlink),
		Rdev: uint64(st.Rdev), MTime: st.Mtim.Sec,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		f.Link, _ = os.Readlink(path)
	case unix.S_IFREG:
		b, err := os.ReadFile(path)
		f.Sum = fmt.Sprintf("%x", sha256.Sum256(b))
		if err != nil {
			f.Sum = bare(err).Error()
		}
	}
	f.Xattrs = xattrs(path)
	return f, nil
}

// xattrs returns all attributes of path as one string.
func xattrs(path string) string {
	list, value := make([]byte, 1<<10), make([]byte, 1<<10)
	n, err := unix.Llistxattr(path, list)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	var all []string
	for name := range strings.SplitSeq(strings.Trim(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		size, err := unix.Lgetxattr(path, name, nil)
		m, err2 := unix.Lgetxattr(path, name, value)
		if err = errors.Join(err, err2); err != nil || size != m {
			all = append(all, fmt.Sprint(name, " ", size, " ", err))
			continue
		}
		all = append(all, fmt.Sprintf("%s=%q", name, value[:m]))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// walk returns everything below root by relative path.
func walk(root string) (map[string]file, error) {
	all := map[string]file{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		f, err := stat(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if uint32(d.Type()&fs.ModeType) != uint32(fileMode(f.Mode)&fs.ModeType) {
			return fmt.Errorf("%s: the listing says type %v, stat mode %o", path, d.Type(), f.Mode)
		}
		name, err := filepath.Rel(root, path)
		if _, twice := all[name]; twice {
			return fmt.Errorf("%s is listed twice", path)
		}
		all[name] = f
		return err
	})
	return all, err
}

func fileMode(mode uint32) fs.FileMode {
	return map[uint32]fs.FileMode{
		unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe,
		unix.S_IFSOCK: fs.ModeSocket, unix.S_IFBLK: fs.ModeDevice,
		unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
	}[mode&unix.S_IFMT]
}

// dirent64 is an entry that getdents64(2) returned.
type dirent64 struct {
	name string
	ino  uint64
	off  int64
}

func getdents(fd, size int) ([]dirent64, error) {
	b := make([]byte, size)
	n, err := unix.Getdents(fd, b)
	if err != nil {
		return nil, err
	}
	var all []dirent64
	for b = b[:n]; len(b) > 0; {
		length := int(le.Uint16(b[16:]))
		name := b[19:length]
		all = append(all, dirent64{string(name[:bytes.IndexByte(name, 0)]), le.Uint64(b), int64(le.Uint64(b[8:]))})
		b = b[length:]
	}
	return all, nil
}

// names lists a directory through a buffer of size bytes.
func names(path string, size int) ([]string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var all []string
	for {
		entries, err := getdents(fd, size)
		if err != nil || len(entries) == 0 {
			return all, err
		}
		for _, e := range entries {
			all = append(all, e.name)
		}
	}
}

// seekDir checks that lseek(2) to the offset of any entry leads to the next.
func seekDir(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var all []dirent64
	for {
		entries, err := getdents(fd, 4096)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		all = append(all, entries...)
	}
	for i := len(all) - 2; i >= 0; i -= 97 {
		if _, err := unix.Seek(fd, all[i].off, 0); err != nil {
			return err
		}
		entries, err := getdents(fd, 4096)
		if err != nil {
			return err
		}
		if len(entries) == 0 || entries[0] != all[i+1] {
			return fmt.Errorf("after %v comes %.1v, not %v", all[i], entries, all[i+1])
		}
	}
	return nil
}

// parallel walks dir with several readers at once; all must see the same.
func parallel(dir, path, readers string) (any, error) {
	n, err := strconv.Atoi(readers)
	if err != nil {
		return nil, err
	}
	views, errs := make([]map[string]file, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { views[i], errs[i] = walk(filepath.Join(dir, path)) })
	}
	group.Wait()
	for _, v := range views[1:] {
		if !maps.Equal(v, views[0]) {
			return nil, errors.New("the readers do not agree")
		}
	}
	return views[0], errors.Join(errs...)
}
