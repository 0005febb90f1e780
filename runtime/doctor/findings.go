package doctor

import (
	"strings"
	"syscall"

	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/host"
)

// Findings is what was found of a machine, and of what the caller may do there.
type Findings struct {
	// Host is what every start finds out as well, with SubIDs and Notify.
	Host *host.Facts
	// Program is the path of sealift, without links.
	Program string
	// Late names the checks whose facts did not come within Patience seconds.
	Late     []string
	Patience int

	UserNS UserNS
	Proc   Proc
	Fuse   Fuse
	// Overlay mounts overlayfs over directories in memory, and writes to it.
	Overlay Trial
	SubIDs  SubIDs
	// Groups are the control groups of this process, one for each hierarchy.
	Groups []cgroup.Group
	// Systemd says that systemd runs the machine, UserManager that it manages
	// processes of the caller.
	Systemd, UserManager bool
	Srun                 Srun
	// Launchers are the launchers of MPI programs, in the order in which they
	// would be found.
	Launchers []Launcher
	// OpenFDs are the inherited descriptors above 2.
	OpenFDs []int
	GPU     GPU
	Fabric  Fabric
	// Cache and TmpDir are where files are written; Session is what the tmpfs of
	// a container is mounted on.
	Cache, TmpDir, Session Place
	// Programs are the paths of helper programs, by name; of those that are not
	// there it has none.
	Programs map[string]string
	// OldFuse says that fuse2fs uses libfuse 2.
	OldFuse bool
}

// Trial is a container that was made to see whether that works.
type Trial struct {
	// Skipped says that it was not tried, for want of user namespaces.
	Skipped bool
	// Err is why it does not work, empty where it does, and Hint its remedy.
	Err, Hint string
	// Errno is the system call's error, 0 if none failed.
	Errno syscall.Errno
}

func (t Trial) ok() bool { return t.Err == "" && !t.Skipped }

// UserNS is about user namespaces.
type UserNS struct {
	// Trial is one with a mount and a PID namespace and a root directory in
	// memory.
	Trial Trial
	// Switches are the kernel's, by their names for sysctl(8). It has those that
	// exist.
	Switches map[string]string
	// AppArmor is the profile of this process: "unconfined", or a name with its
	// mode, "docker-default (enforce)". It is empty without AppArmor.
	AppArmor string
	// SELinux says that SELinux is enforcing, and Chroot that the root directory
	// of this process is not a mount's.
	SELinux, Chroot bool
	// Seccomp says that this process has a filter of system calls, and Filtered
	// that it refuses user namespaces.
	Seccomp, Filtered bool
	// NoNewPrivs says that programs cannot give this process privileges
	// (PR_SET_NO_NEW_PRIVS).
	NoNewPrivs bool
}

// Proc is about the container's own /proc.
type Proc struct {
	Trial Trial
	// Masks are the mounts below /proc.
	Masks []string
}

// Fuse is about /dev/fuse.
type Fuse struct {
	// Trial is a container whose root comes from an image.
	Trial Trial
	// Exists says that there is a file, Device that it is the FUSE device.
	Exists, Device bool
	// Mode has the permissions, UID and GID the owner.
	Mode, UID, GID uint32
	// Open is the error of opening it, 0 for none.
	Open syscall.Errno
	// Module says that the kernel knows the file system fuse.
	Module bool
}

// SubIDs is about ranges of ids.
type SubIDs struct {
	// Trial is a user namespace with all ids of the caller's ranges. It is
	// skipped if there are no ranges, or no programs to map them.
	Trial Trial
	// UIDMap and GIDMap are newuidmap and newgidmap as they are used.
	UIDMap, GIDMap MapProgram
	// Elsewhere is a newuidmap in PATH that is not used.
	Elsewhere string
	// Next is the first id after all ranges of /etc/subuid and /etc/subgid.
	Next uint32
}

// MapProgram is newuidmap(1) or newgidmap(1).
type MapProgram struct {
	// SetUID says that it becomes root, Caps that its file has capabilities,
	// NoSUID that its file system ignores both.
	SetUID, Caps, NoSUID bool
}

// Srun is the launcher of Slurm.
type Srun struct {
	// Path is empty if there is none.
	Path string
	// Version and Kinds are what it prints for --version and --mpi=list.
	Version, Kinds string
	// Err is why it cannot be run, in its own words.
	Err string
}

// Launcher is a launcher of MPI programs.
type Launcher struct {
	Path string
	// Output is what it prints for --version.
	Output string
	// Err is why it cannot be run.
	Err string
}

// Node is a device node.
type Node struct {
	Path string
	// Open is the error of opening it, 0 for none.
	Open syscall.Errno
	// Vendor is that of the device, as PCI has it: 0x10de.
	Vendor string
}

// GPU is about devices that compute.
type GPU struct {
	// NVIDIA is the content of /proc/driver/nvidia/version.
	NVIDIA string
	// Nodes are the device nodes.
	Nodes []Node
	// Libraries is the version of the driver's libraries, empty for none, and LibraryDir
	// where they are.
	Libraries, LibraryDir string
	// Way is how containers find the GPUs of NVIDIA's, empty where they find none, and
	// Problems what keeps other ways from being taken.
	Way      string
	Problems []string
	// PCI has the vendors of the display and compute devices of the PCI bus.
	PCI []string
}

// Fabric is about fast networks.
type Fabric struct {
	Ports []Port
	Nodes []Node
	// MemLock is how many bytes the caller may lock in memory, at most;
	// ^uint64(0) is no limit.
	MemLock uint64
}

// Port is one of an RDMA device, with what sysfs says of it.
type Port struct {
	Device string // mlx5_0
	State  string // "4: ACTIVE"
	Rate   string // "400 Gb/sec (4X NDR)"
	Layer  string // InfiniBand, Ethernet
}

// Place is a directory.
type Place struct {
	// Path is its name, At the directory that was looked at: itself, or the
	// nearest above it that exists.
	Path, At string
	// Err is why there is no such place, and Hint its remedy.
	Err, Hint string
	// Type is the file system's: ext4, nfs4, lustre.
	Type string
	// Free and Size are in bytes, for the caller.
	Free, Size uint64
	// FreeFiles and Files count inodes; Files is 0 where there is no limit.
	FreeFiles, Files uint64
	// Write is the error of making a file there, 0 for none.
	Write syscall.Errno
	// Unnamed says that files without a name can be made (O_TMPFILE).
	Unnamed bool
	// Lock is the error of locking a file, flock(2), 0 for none.
	Lock syscall.Errno
}

// variable returns the value of an environment variable of the caller.
func (f *Findings) variable(name string) string {
	for _, kv := range f.Host.Environ {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// root says that the caller is root and needs no user namespace.
func (f *Findings) root() bool { return f.Host.Admin && f.Host.UID == 0 }

// user is the caller's name, for commands.
func (f *Findings) user() string {
	if f.Host.User.Name == "" {
		return "USER"
	}
	return f.Host.User.Name
}
