// Package plan is the contract between runtime/launch, which sends a Plan, and
// the starter, which executes it: ordered operations, then one process.
//
// Input: values built by runtime/spec. Output: the wire form (Encode, Parse)
// and the printed form (String), which carry the same lines. It imports the
// standard library's lightest parts only and decides nothing.
package plan

import (
	"slices"
	"strings"
)

// Plan is a container, ready to be made.
type Plan struct {
	// Clone is what launch asks of clone(2) when it starts the starter.
	Clone Clone
	// Helper, unless empty, is the command line of the program that connects the
	// container's network namespace with the outside. Its first element is an
	// absolute path; an argument with HelperPID, HelperReady or HelperExit in it
	// has that replaced. It is for launch; the starter never sees it.
	Helper []string
	// Image lists what the image server shows besides (or instead of) the
	// image's own files. Only Mkdir, Mkfile, Write and Symlink occur. It is
	// for launch; the starter never sees it.
	Image []Op
	// Ops are executed by the starter in order.
	Ops []Op
	// Process is what the starter runs when every Op has succeeded.
	Process Process
}

// What arguments of Plan.Helper hold, and what they are replaced by.
const (
	// HelperPID is the number of the process whose namespaces it enters.
	HelperPID = "@pid"
	// HelperReady is a descriptor that it writes to when the network is up.
	HelperReady = "@ready"
	// HelperExit is a descriptor whose other end is closed when it is to end.
	HelperExit = "@exit"
)

// Clone names the namespaces of the starter and the ids inside them.
type Clone struct {
	User, Mount, PID, UTS, IPC, Net bool
	UIDs, GIDs                      []IDMap
	// NetPath, unless empty, is the file of a network namespace to be in
	// (network_namespaces(7)), as /run/netns/NAME is.
	NetPath string
	// Caps are capabilities that the starter gets in its user namespace besides
	// those that it always needs, by ParseCaps' names joined by commas.
	Caps string
}

// IDMap is one line of /proc/PID/uid_map: Size ids from Inside on are the ids
// from Outside on (user_namespaces(7)).
type IDMap struct{ Inside, Outside, Size uint32 }

// Verb says what an Op does.
type Verb string

// The verbs, with their arguments in order. A TARGET that starts with / is
// resolved inside the container's root, following symbolic links only inside
// it; one that starts with @ is a path in the session directory (@upper is
// upper/ there). A SOURCE is a host path, opened before anything is mounted.
// FLAGS are words joined by commas, or empty.
const (
	// Session DIR DATA: make every mount a slave, so that ours are not seen
	// outside while later ones of the host still arrive; mount a tmpfs with
	// options DATA on the host directory DIR and use it as session directory;
	// create @root, on which the container's root is mounted. It precedes
	// every operation that has a TARGET.
	Session Verb = "session"
	// Fuse TARGET FLAGS: open /dev/fuse, mount a read-only FUSE file system
	// with default_permissions on TARGET and send the descriptor to launch.
	// FLAGS: allow_other, suid (set-user-ID programs work), rw (it may be written
	// to, and without allow_other its server alone checks permissions), wait (until it is served, or
	// ENOTCONN where nobody is going to), keep (the descriptor is for the next of
	// Process.Mounters, not for launch).
	Fuse Verb = "fuse"
	// Fill TARGET: send launch a descriptor of the directory TARGET, and wait until it
	// has written what is to be there.
	Fill Verb = "fill"
	// Mount FSTYPE TARGET FLAGS DATA: mount(2) of a new file system. FLAGS:
	// ro nosuid nodev noexec.
	Mount Verb = "mount"
	// Bind SOURCE TARGET FLAGS: recursive bind mount. FLAGS: ro nosuid nodev
	// noexec, try (a missing SOURCE or TARGET is no error), session (SOURCE is
	// a path in the session directory, with or without @), own (SOURCE must belong
	// to this user). The flags hold for the mounts below SOURCE, too.
	Bind Verb = "bind"
	// Overlay TARGET LOWER UPPER WORK FLAGS: overlayfs with userxattr. LOWER:
	// directories joined by colons (JoinDirs), topmost first; UPPER and WORK may
	// be empty (read-only, with two lower directories at least). A directory that
	// starts with @ is in the session directory, any other is a host path. FLAGS:
	// ro nosuid nodev noexec, own (UPPER and WORK must belong to this user).
	Overlay Verb = "overlay"
	// Mkdir TARGET MODE: make a directory; parents are made 0755; one that
	// exists is left as it is. MODE is octal.
	Mkdir Verb = "mkdir"
	// Mkfile TARGET MODE: make an empty regular file unless something exists;
	// parents are made 0755, as for Write and Symlink.
	Mkfile Verb = "mkfile"
	// Write TARGET MODE CONTENT: make a regular file with this content, in
	// place of any file or link that exists. WriteFile makes it of any content.
	Write Verb = "write"
	// Symlink TARGET TEXT: make TARGET a symbolic link to TEXT, in place of any
	// file or link that exists.
	Symlink Verb = "symlink"
	// Umount TARGET: detach the mount.
	Umount Verb = "umount"
	// Hostname NAME: sethostname(2).
	Hostname Verb = "sethostname"
	// Network: set up the loopback interface of the network namespace and, where
	// /proc/sys may be written, let every user bind ports below 1024 there.
	Network Verb = "network"
	// Label LSM NAME: have the payload run under a profile of apparmor, or with a
	// context of selinux; it is read back. It comes before Pivot, as it needs the
	// host's procfs.
	Label Verb = "label"
	// Pivot: make @root the root directory and detach everything else.
	Pivot Verb = "pivot"
	// Emulate MODE UNDER: have the payload believe that it is root with all
	// ids, by a seccomp filter that is installed last of all. MODE: full, fast
	// or silent (package rootemu). Files outside the file system that is
	// mounted on the directory UNDER are left to the kernel, unless UNDER is
	// empty; with silent it is. It comes after Pivot and needs Process.Init,
	// and /proc mounted.
	Emulate Verb = "emulate"
	// Dropcaps KEEP: clear the ambient and inheritable capability sets, drop
	// every capability but KEEP (names joined by commas, or all) from the
	// bounding, permitted and effective sets, and set no_new_privs. Only Raisecaps
	// and Seccomp follow: others may need what it drops. Those that Process.User
	// takes stay permitted until then.
	Dropcaps Verb = "dropcaps"
	// Limitcaps KEEP: the same without no_new_privs, so that set-user-ID programs
	// work where mounts allow them.
	Limitcaps Verb = "limitcaps"
	// Raisecaps CAPS: put permitted capabilities into the inheritable and ambient
	// sets too, so that a payload that is not root keeps them.
	Raisecaps Verb = "raisecaps"
	// Seccomp FLAGS PROGRAM: have the payload run under a filter, which is
	// installed right before it is executed. FLAGS: log spec_allow (seccomp(2)),
	// now (install it at once: it stops no call of the starter's). PROGRAM: 16 hexadecimal digits for each instruction (struct
	// sock_filter): 4 of the code, 2 of each jump, 8 of the operand. It excludes
	// Emulate.
	Seccomp Verb = "seccomp"
)

// Op is one operation.
type Op struct {
	Verb Verb
	Args []string
}

// Has tells whether one of the operations has this verb.
func (p *Plan) Has(v Verb) bool {
	return slices.ContainsFunc(p.Ops, func(op Op) bool { return op.Verb == v })
}

// Late tells whether a filter is to be installed right before the payload is
// executed.
func (p *Plan) Late() bool {
	return slices.ContainsFunc(p.Ops, func(op Op) bool {
		return op.Verb == Seccomp && len(op.Args) > 0 && !slices.Contains(strings.Split(op.Args[0], ","), "now")
	})
}

// Do returns the Op with this verb and these arguments.
func Do(v Verb, args ...string) Op { return Op{v, args} }

// Process is the payload.
type Process struct {
	// Init says that the starter stays as PID 1: it runs the payload as its
	// child, forwards signals to it, reaps every orphan and exits with the
	// payload's status (128+n for signal n). Otherwise it execs the payload.
	Init bool
	// Stay, for Init, says that the container outlives its payload: after a status of
	// 0 the starter waits until a signal ends it, after another one until nothing
	// else runs. A signal that ends programs goes to every process then, and the
	// starter exits when the last one has. There need be no payload.
	Stay bool
	// Hold says that there is no payload: the starter keeps the namespaces and mounts for
	// others to enter (StageHold), and ends when launch does. It then kills all others
	// that are in its user namespace, if that is one of its own, and removes the
	// directory Meet, where others met launch.
	Hold bool
	Meet string
	// Args is the command line; Args[0] is looked up in the PATH of Env inside
	// the container when it has no slash.
	Args []string
	// Env is the whole environment, NAME=value.
	Env []string
	// Dirs are the candidates for the working directory; the first that can be
	// entered is used. When none can, the starter fails with the first one's
	// error.
	Dirs []string
	// User, unless nil, is who the payload is, instead of who the starter is.
	// Under Emulate it is what the payload believes to be.
	User *User
	// Umask is the file mode creation mask, or -1 to keep the caller's.
	Umask int
	// Mounters serve the file systems whose descriptors the Fuse operations with
	// keep left, in the same order. They need Init, and no filter of the payload's.
	Mounters []Mounter
	// CloseFDs closes every inherited descriptor above 2 but those in KeepFDs.
	// Otherwise all of the caller's descriptors pass.
	CloseFDs bool
	KeepFDs  []int
}

// Mounter is a program of the container that serves a FUSE file system. The payload
// is started when it does, and ends it. It gets the descriptor as number 3, the
// payload's environment and user, no input, and has its output go to the errors.
type Mounter struct {
	// Target is that of the operation Fuse.
	Target string
	// Args is the command line, as that of the payload.
	Args []string
}

// Names of the descriptors that a mounter gets. libfuse from 3.3 on takes the first as
// a mount point (fuse_session_mount); the second is that of the image that a program
// of the host serves.
const (
	MounterFUSE = "/dev/fd/3"
	MounterFile = "/dev/fd/4"
)

// User is a process's user, its group, and its supplementary groups
// (credentials(7)).
type User struct {
	UID, GID uint32
	Groups   []uint32
}
