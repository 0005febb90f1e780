package failure

import (
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// Pseudo verbs for clone(2): without a user namespace, with one, and with one that
// maps root of the namespace around it.
const (
	verbClone     plan.Verb = "clone"
	verbCloneUser plan.Verb = "clone user"
	verbCloneRoot plan.Verb = "clone user of root"
)

// remedy is what to do when op fails with errno.
type remedy struct {
	stage plan.Stage
	verb  plan.Verb
	first string // the operation's first argument, or empty for any
	errno syscall.Errno
	text  string
}

const (
	enableUserNS = "have user namespaces enabled: check /proc/sys/user/max_user_namespaces, " +
		"kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
	raiseUserNS = "have /proc/sys/user/max_user_namespaces, the limit of user namespaces, raised, " +
		"or that of another kind of namespace in the same directory"
	loadFuse   = "have the kernel module loaded (modprobe fuse) and /dev/fuse made"
	openFuse   = "have /dev/fuse made readable and writable for this user, also by the device cgroup"
	notServed  = "run the program by itself: it ended without an error, and served nothing"
	noProcHere = "run with --no-pid: in another container whose /proc is masked, the kernel allows no new one"
	fileOnFile = "bind a directory on a directory, a file on a file"
	noLabel    = "check that the kernel runs this security module and knows the name, and that it allows the change"
	noCaps     = "leave out what the caller does not have itself"
	noOverlay  = "use a kernel from 5.11 on, with overlayfs; have changes go to a local disk, as network and FUSE " +
		"file systems cannot be used for them; or do without a writable image"
	foreignUpper = "have the directories upper and work of the overlay belong to you (chown), or take an empty directory of your own"
)

// remedies is searched from the top.
func remedies() []remedy {
	return []remedy{
		{plan.StageOp, verbCloneUser, "", syscall.EPERM, enableUserNS},
		{plan.StageOp, verbCloneUser, "", syscall.EINVAL, "use a kernel with user and PID namespaces (CONFIG_USER_NS, CONFIG_PID_NS)"},
		{plan.StageOp, verbCloneUser, "", syscall.ENOSPC, raiseUserNS},
		{plan.StageOp, verbCloneUser, "", syscall.EUSERS, raiseUserNS},
		{plan.StageOp, verbCloneRoot, "", syscall.EPERM, "start as an ordinary user: since Linux 5.12 root without CAP_SETFCAP may not be mapped into a user namespace; " + enableUserNS},
		{plan.StageOp, verbClone, "", syscall.EPERM, "run as root with CAP_SYS_ADMIN, or with a user namespace"},
		{plan.StageOp, verbClone, "", syscall.ENOSPC, raiseUserNS},
		{plan.StageOp, verbCloneUser, "", syscall.EAGAIN, "raise the limit of processes (ulimit -u, --pids-limit)"},
		{plan.StageOp, verbClone, "", syscall.EAGAIN, "raise the limit of processes (ulimit -u, --pids-limit)"},

		{plan.StageOp, plan.Session, "", syscall.EPERM, enableUserNS},
		{plan.StageOp, plan.Session, "", syscall.EACCES, enableUserNS},
		{plan.StageSource, plan.Session, "", syscall.ENOENT, "create that directory"},

		{plan.StageOp, plan.Fuse, "", syscall.ENOENT, loadFuse},
		{plan.StageOp, plan.Fuse, "", syscall.ENODEV, loadFuse},
		{plan.StageOp, plan.Fuse, "", syscall.ENXIO, loadFuse},
		{plan.StageOp, plan.Fuse, "", syscall.EACCES, openFuse},
		{plan.StageOp, plan.Fuse, "", syscall.EPERM, openFuse},
		{plan.StageOp, plan.Fuse, "", syscall.ENOTCONN, notServed},
		{plan.StageOp, plan.Fuse, "", syscall.ECONNABORTED, notServed},
		{plan.StageOp, plan.Fuse, "", syscall.EINVAL, "use a kernel from 4.18 on: older ones allow FUSE mounts to root only"},

		{plan.StageOp, plan.Mount, "proc", syscall.EPERM, noProcHere},
		{plan.StageOp, plan.Mount, "", syscall.EPERM, "leave this mount out: the kernel refuses it to this user"},
		{plan.StageOp, plan.Mount, "", syscall.ENODEV, "leave this mount out: the kernel has no such file system"},
		{plan.StageOp, plan.Mount, "", syscall.ENOENT, "create the target in the image"},

		{plan.StageSource, plan.Bind, "", syscall.ENOENT, "create the source, or leave this bind out"},
		{plan.StageSource, plan.Bind, "", syscall.EACCES, "get access to the source, or leave this bind out"},
		{plan.StageOp, plan.Bind, "", syscall.ENOENT, "create the target in the image"},
		{plan.StageOp, plan.Bind, "", syscall.EACCES, "have what is in the directory of --workdir belong to you, or take another one"},
		{plan.StageOp, plan.Bind, "", syscall.ENOTDIR, fileOnFile},
		{plan.StageOp, plan.Bind, "", syscall.EISDIR, fileOnFile},
		{plan.StageOp, plan.Bind, "", syscall.ELOOP, "remove the loop of symbolic links at the target in the image"},
		{plan.StageOp, plan.Bind, "", syscall.ENOSPC, "have /proc/sys/fs/mount-max, the limit of mounts, raised"},

		{plan.StageSource, plan.Overlay, "", syscall.ENOENT, "create the directories of the overlay"},
		{plan.StageOp, plan.Overlay, "", syscall.EINVAL, noOverlay},
		{plan.StageOp, plan.Overlay, "", syscall.EPERM, noOverlay},
		{plan.StageOp, plan.Overlay, "", syscall.EACCES, foreignUpper},
		{plan.StageOp, plan.Overlay, "", syscall.ENODEV, noOverlay},

		{plan.StageOp, plan.Raisecaps, "", syscall.EPERM, noCaps},
		{plan.StageOp, plan.Label, "", syscall.ENOENT, noLabel},
		{plan.StageOp, plan.Label, "", syscall.EINVAL, noLabel},
		{plan.StageOp, plan.Label, "", syscall.EACCES, noLabel},
		{plan.StageOp, plan.Label, "", syscall.EPERM, noLabel},
	}
}

// advise attaches the first remedy that fits to err.
func advise(err error, stage plan.Stage, op plan.Op, errno syscall.Errno) error {
	for _, r := range remedies() {
		fits := r.stage == stage && r.verb == op.Verb && r.errno == errno
		if fits && (r.first == "" || len(op.Args) > 0 && op.Args[0] == r.first) {
			return hint.Wrap(err, "%s", r.text)
		}
	}
	return err
}
