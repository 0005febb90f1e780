// Package host finds out what the machine and the caller allow, once, before a
// container is planned.
//
// Input: the environment and working directory of the process, given by main.
// Output: Facts, a struct of plain values that tests build by hand. For a start it
// is the only package that reads /proc, /sys and /etc of the host; what else sealift
// doctor looks at is runtime/doctor/probe's matter. It must stay cheap (it is on the
// start-up path), changes nothing, and decides nothing: what follows from the facts
// is runtime/spec's matter.
package host

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/account"
	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/starter/rootemu"
)

// Inputs is what only main may read.
type Inputs struct {
	// Environ is the environment, NAME=value.
	Environ []string
	// Cwd is the absolute working directory, or empty when it has none.
	Cwd string
	// SubIDs asks for the subordinate ids too; they cost two more files.
	SubIDs bool
	// Notify asks for UserNotify, which costs a thread.
	Notify bool
	// Network asks for what connects a network namespace.
	Network bool
	// Cgroups asks for what limits are based on.
	Cgroups bool
	// Terminal says that somebody types what the process reads.
	Terminal bool
}

// Facts describes the caller and the machine.
type Facts struct {
	UID, GID uint32
	// Groups are the supplementary groups, as getgroups(2) returns them.
	Groups []uint32
	// User is the caller's account.
	User account.User
	// GroupNames names GID and those of Groups whose names are known.
	GroupNames map[uint32]string
	// Admin says that CAP_SYS_ADMIN is effective: the caller may mount
	// without a user namespace of its own.
	Admin bool
	// Umask is the caller's file mode creation mask.
	Umask int
	// Cwd is the caller's working directory, or empty.
	Cwd string
	// Environ is the caller's environment, NAME=value.
	Environ []string
	// Terminal says that the standard input is a terminal.
	Terminal bool

	// Hostname and Kernel are what uname(2) says: 6.18.0-1-amd64.
	Hostname, Kernel string
	// Arch is the machine's architecture by Go's name: amd64, arm64.
	Arch string
	// UserNS says that the kernel's switches allow the caller to create a user
	// namespace. A security module may still refuse.
	UserNS bool
	// ProcMasked says that the kernel would refuse a procfs in a new PID
	// namespace, because something hides parts of the visible one.
	ProcMasked bool
	// NoFuse says what keeps /dev/fuse from being used, nil for nothing.
	NoFuse error `json:"-"`
	// MemoryLimit is how many bytes the caller's control groups allow it, 0
	// where that is no less than the machine has.
	MemoryLimit int64
	// SubUIDs and SubGIDs are the caller's subordinate ids (subuid(5)).
	SubUIDs, SubGIDs []Range
	// NewUIDMap and NewGIDMap are the paths of the programs that may map
	// them (newuidmap(1)), or empty.
	NewUIDMap, NewGIDMap string
	// SessionDir is a directory that a tmpfs can be mounted on, in a private
	// mount namespace.
	SessionDir string
	// UserNotify says that a seccomp filter's calls can be answered by another
	// process (seccomp_unotify(2)): the kernel can do it, and nobody above
	// does it already.
	UserNotify bool
	// Pasta and Slirp4netns are the paths of the programs that connect a network
	// namespace with the outside, or empty. Tun says that /dev/net/tun, which they
	// need, is there and open to the caller.
	Pasta, Slirp4netns string
	Tun                bool
	// Cgroups is about control groups; Manager is the socket of the systemd that could
	// be asked for one, or empty.
	Cgroups cgroup.Facts
	Manager string
	// Root is the host's file tree, rooted at /. It has StatFS and ReadLinkFS.
	Root fs.FS
}

// Range is Count subordinate ids from First on.
type Range struct{ First, Count uint32 }

// Probe collects the facts. It fails only where no container could be started
// either: /proc is not mounted. An unknown account is no failure.
func Probe(in Inputs) (*Facts, error) {
	status, err := readAll("/proc/self/status")
	if err != nil {
		if errors.Is(err, unix.EMFILE) {
			return nil, hint.Wrap(err, "raise the limit of open files (ulimit -n)")
		}
		return nil, hint.Wrap(err, "mount proc on /proc")
	}
	s := parseStatus(status)
	f := &Facts{
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Groups: s.groups, Umask: s.umask, Admin: s.admin,
		Cwd: in.Cwd, Environ: in.Environ, Terminal: in.Terminal,
		Arch: runtime.GOARCH,
		Root: os.DirFS("/"),
	}
	f.NoFuse = device("/dev/fuse", unix.Mkdev(10, 229))
	f.Hostname, f.Kernel = uname()
	f.UserNS = userNamespaces()
	f.ProcMasked = !f.Admin && procMasked(read("/proc/self/mountinfo"))
	f.MemoryLimit = binding(memoryLimit(read("/proc/self/cgroup"), read))
	f.SessionDir = firstDir("/tmp", "/var/tmp", "/run", "/mnt", "/srv", "/proc")
	f.identify(in.Environ)
	if in.SubIDs {
		f.subordinate()
	}
	if in.Network {
		f.networks()
	}
	if in.Cgroups {
		f.groups()
	}
	f.UserNotify = in.Notify && rootemu.Supported()
	return f, nil
}

// read returns the content of a file, or nothing: files of /proc and /etc that
// are missing or closed to the caller tell as much as empty ones.
func read(name string) string {
	text, err := readAll(name)
	if err != nil {
		return ""
	}
	return text
}

// readAll reads a file with a third of the system calls that package os takes,
// which tries whether it could be waited for.
func readAll(name string) (string, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", &os.PathError{Op: "read", Path: name, Err: err}
		case n == 0:
			return string(text), nil
		}
		if text = text[:len(text)+n]; len(text) == cap(text) {
			text = slices.Grow(text, len(text))
		}
	}
}

// device says what keeps the character device of a number (admin-guide/devices.txt of
// the kernel) from being used, nil for nothing: that it cannot be opened, which only
// trying tells where a control group restricts devices, or that it is something else.
// Containers are known to cover devices.
func device(name string, number uint64) error {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != number {
		return errors.New("something else is in its place")
	}
	return nil
}

func uname() (hostname, release string) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "", ""
	}
	return unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Release[:])
}

// firstDir returns the first of names that is a directory, or /.
func firstDir(names ...string) string {
	for _, name := range names {
		var st unix.Stat_t
		if unix.Lstat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return name
		}
	}
	return "/"
}
