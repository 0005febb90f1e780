package trees

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// Unavailable skips the test for want of something of the machine, or fails it
// in CI, where everything must be there.
func Unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Need makes sure that the test can run the programs.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			Unavailable(t, name+" is not installed")
		}
	}
}

// NeedRoot makes sure that the test may make devices, set owners and mount.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "only root can make devices, set owners and mount")
	}
}

// Run runs a program with the given standard input and returns its error with
// what it printed.
func Run(stdin io.Reader, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = stdin
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.New(strings.Join(args, " ") + ": " + err.Error() + "\n" + string(text))
	}
	return nil
}

// Extract returns a directory that unsquashfs has extracted the image to.
func Extract(t testing.TB, image string) string {
	t.Helper()
	NeedRoot(t)
	Need(t, "unsquashfs")
	dir := filepath.Join(t.TempDir(), "root")
	check(t, Run(nil, "unsquashfs", "-quiet", "-no-progress", "-strict-errors", "-processors", "1", "-d", dir, image))
	return dir
}

// Mount returns a directory where the kernel has mounted the image, which
// begins offset bytes into its file, until the test ends.
func Mount(t testing.TB, image string, offset int64) string {
	t.Helper()
	NeedRoot(t)
	Need(t, "mount", "losetup")
	known, err := os.ReadFile("/proc/filesystems")
	check(t, err)
	if !strings.Contains(string(known), "\tsquashfs\n") && Run(nil, "modprobe", "squashfs") != nil {
		Unavailable(t, "the kernel has no squashfs")
	}
	if err := Run(nil, "losetup", "--find"); err != nil {
		Unavailable(t, "no loop device: "+err.Error())
	}
	dir := t.TempDir()
	check(t, Run(nil, "mount", "-t", "squashfs", "-o", "ro,loop,offset="+strconv.FormatInt(offset, 10), image, dir))
	t.Cleanup(func() { check(t, Unmount(dir)) })
	return dir
}

// Unmount unmounts a directory. A process that another test starts holds what
// was open here until it executes its program: Unmount waits for up to 10 s.
func Unmount(dir string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Unmount(dir, 0)
		if err != unix.EBUSY || time.Now().After(deadline) {
			return os.NewSyscallError("umount "+dir, err)
		}
	}
}

// Host returns the tree below a directory of the host, its contents to be read
// from there, and its link counts. Those of directories are the inodes' own on
// SquashFS and computed elsewhere, because file systems count as they please.
func Host(t testing.TB, path string) (*tree.Node, Links) {
	t.Helper()
	var st unix.Statfs_t
	check(t, unix.Statfs(path, &st))
	h := host{t: t, links: Links{}, seen: map[uint64]*tree.Node{}}
	root := h.node(path)
	if st.Type != unix.SQUASHFS_MAGIC {
		for n, count := range Count(root) {
			if n.IsDir() {
				h.links[n] = count
			}
		}
	}
	return root, h.links
}

type host struct {
	t     testing.TB
	links Links
	seen  map[uint64]*tree.Node // by inode number
}

func (h *host) node(path string) *tree.Node {
	var st unix.Stat_t
	check(h.t, unix.Lstat(path, &st))
	if n := h.seen[st.Ino]; n != nil {
		return n
	}
	n := &tree.Node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, ModTime: st.Mtim.Sec, Xattrs: hostXattrs(h.t, path)}
	h.seen[st.Ino], h.links[n] = n, st.Nlink
	var err error
	switch n.Type() {
	case tree.TypeDir:
		n.Entries = map[string]*tree.Node{}
		list, err := os.ReadDir(path)
		check(h.t, err)
		for _, e := range list {
			n.Entries[e.Name()] = h.node(filepath.Join(path, e.Name()))
		}
	case tree.TypeRegular:
		n.Content = hostFile{path, st.Size}
	case tree.TypeSymlink:
		n.Target, err = os.Readlink(path)
	case tree.TypeBlock, tree.TypeChar:
		n.Rdev = st.Rdev
	}
	check(h.t, err)
	return n
}

// hostFile is the content of a file of the host.
type hostFile struct {
	path string
	size int64
}

func (f hostFile) Size() int64                  { return f.size }
func (f hostFile) Open() (io.ReadCloser, error) { return os.Open(f.path) }

// hostXattrs returns the attributes of the namespaces that SquashFS has.
func hostXattrs(t testing.TB, path string) (set []tree.Xattr) {
	t.Helper()
	n, err := unix.Llistxattr(path, nil)
	if n == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	list := make([]byte, 1<<16)
	n, err = unix.Llistxattr(path, list)
	check(t, err)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		space, _, _ := strings.Cut(name, ".")
		if space != "user" && space != "trusted" && space != "security" || name == "security.selinux" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		check(t, err)
		set = append(set, tree.Xattr{Name: name, Value: value[:n]})
	}
	slices.SortFunc(set, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return set
}
