package doctor

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// needs are the releases of the kernel that something takes.
var needs = []struct {
	major, minor int
	what         string
	proved       func(*Findings) bool // it works all the same: distributions bring things to older kernels
}{
	{4, 18, "image files", func(f *Findings) bool { return f.Fuse.Trial.ok() }},
	{5, 5, "the emulation of root in builds", func(f *Findings) bool { return f.Host.UserNotify }},
	{5, 11, "changes to files of images by ordinary users (overlayfs)", func(f *Findings) bool { return f.Overlay.ok() }},
}

func (f *Findings) kernel() Check {
	c := works("%s, %s", f.Host.Kernel, f.Host.Arch)
	var major, minor int
	if n, _ := fmt.Sscanf(f.Host.Kernel, "%d.%d", &major, &minor); n < 2 {
		return c // the other checks try what matters
	}
	var lacking []string
	for _, n := range needs {
		if (major < n.major || major == n.major && minor < n.minor) && !n.proved(f) {
			lacking = append(lacking, fmt.Sprintf("%s (%d.%d)", n.what, n.major, n.minor))
			c.Fix = fmt.Sprintf("install a kernel from %d.%d on", n.major, n.minor)
		}
	}
	if len(lacking) > 0 {
		c.State, c.Effect = Warning, "it is too old for "+strings.Join(lacking, ", ")
	}
	return c
}

// Names of switches.
const (
	maxUserNS = "user.max_user_namespaces"
	cloneNS   = "kernel.unprivileged_userns_clone"
	apparmor  = "kernel.apparmor_restrict_unprivileged_userns"
	// unconfined is AppArmor's word for a process without a profile.
	unconfined = "unconfined"
)

// limits are the switches that must not be 0.
var limits = []string{maxUserNS, "user.max_mnt_namespaces", "user.max_pid_namespaces"}

func (f *Findings) userns() Check {
	t := f.UserNS.Trial
	because, fix := f.cause()
	c := Check{State: Failed, Found: t.Err, Effect: "no container can be started", Fix: fix}
	switch {
	case t.ok() && (because == "" || !f.root()):
		return f.usernsWorks()
	case t.ok():
		c.State, c.Found, c.Effect = Warning, "root can make them", "containers of other users than root cannot be started"
	case f.root():
		c.State, c.Effect = Warning, "containers of other users than root cannot be started, nor those with --userns"
	}
	if because != "" {
		c.Found += ": " + because
	}
	return c
}

func (f *Findings) usernsWorks() Check {
	c := works("they can be made")
	if limit := f.UserNS.Switches[maxUserNS]; limit != "" {
		c.Found += fmt.Sprintf(" (%s = %s)", maxUserNS, limit)
	}
	if p := f.UserNS.AppArmor; p != "" && p != unconfined {
		c.Found += ", under AppArmor's profile " + p
	}
	return c
}

// cause returns why there are no user namespaces, as far as that can be told, and
// what to do. Where they can be made it is about what keeps others than root from
// it.
func (f *Findings) cause() (because, fix string) {
	u := f.UserNS
	errno := u.Trial.Errno
	refused := errno == syscall.EPERM || errno == syscall.EACCES || u.Trial.ok()
	for _, name := range limits {
		if u.Switches[name] == "0" {
			return name + " is 0", sysctl(name + "=65536")
		}
	}
	switch {
	case refused && u.Switches[cloneNS] == "0":
		return cloneNS + " is 0", sysctl(cloneNS + "=1")
	case refused && u.Switches[apparmor] == "1" && u.AppArmor == unconfined:
		return apparmor + " is 1, and no profile of AppArmor allows them to " + f.Program, f.profile()
	case u.Trial.ok():
		return "", ""
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		limit := cmp.Or(u.Switches[maxUserNS], "unknown")
		n, _ := strconv.Atoi(limit) // 0 if unknown
		return fmt.Sprintf("the limit is reached: %s (%s here), or that of an outer user namespace", maxUserNS, limit),
			sysctl(fmt.Sprintf("%s=%d", maxUserNS, max(65536, 2*n)))
	case refused:
		return f.refusal()
	}
	return "", remedy(u.Trial.Hint)
}

// refusal returns what forbids user namespaces that the kernel's switches allow,
// and what to do.
func (f *Findings) refusal() (because, fix string) {
	u := f.UserNS
	switch {
	case u.Filtered && u.AppArmor != "" && u.AppArmor != unconfined:
		return "a filter of system calls (seccomp) and AppArmor's profile " + u.AppArmor + " forbid it, likely a container's",
			"start the container that this runs in with --security-opt seccomp=unconfined --security-opt apparmor=unconfined (Docker, Podman)\n" + kubernetes
	case u.Filtered:
		return "a filter of system calls (seccomp) forbids it, likely a container's",
			"start the container that this runs in with --security-opt seccomp=unconfined (Docker, Podman)\n" + kubernetes
	case u.AppArmor != "" && u.AppArmor != unconfined:
		return "AppArmor's profile " + u.AppArmor + " holds here",
			"start the container that this runs in with --security-opt apparmor=unconfined (Docker, Podman)\n" +
				"or " + asRoot("add the lines \"userns,\" and \"mount,\" to the profile, and load it: apparmor_parser -r FILE")
	case u.Chroot:
		return "this runs in a chroot, where the kernel allows none",
			"enter the directory by other means than chroot: bwrap --bind DIR / --dev-bind /dev /dev --proc /proc sealift …"
	case u.SELinux:
		return "SELinux is enforcing",
			asRoot("ausearch -m avc -ts recent shows whether it was SELinux, and audit2allow makes a module that allows it")
	}
	return "a chroot or a security module forbids it", "leave the chroot, if this is one\n" + remedy("")
}

// kubernetes is what a pod needs for user namespaces.
const kubernetes = "or securityContext.seccompProfile.type: Unconfined, and appArmorProfile.type: Unconfined (Kubernetes)"

// remedy returns the remedy of a trial that failed.
func remedy(hint string) string {
	if hint == "" {
		return asRoot("look for the reason in the kernel's log: dmesg | tail")
	}
	return hint
}

// sysctl sets a switch for good.
func sysctl(assignment string) string {
	const file = "/etc/sysctl.d/90-sealift.conf"
	return asRoot("echo %s >>%s && sysctl -p %s", assignment, file, file)
}

// profile is one of AppArmor that allows user namespaces to this program, as
// those that Ubuntu has for browsers do.
func (f *Findings) profile() string {
	const file = "/etc/apparmor.d/sealift"
	return asRoot("write the following to %s, then: apparmor_parser -r %s", file, file) + `
abi <abi/4.0>,
include <tunables/global>
profile sealift ` + quoted(f.Program) + ` flags=(unconfined) {
  userns,
}
or, for all programs: ` + strings.TrimPrefix(sysctl(apparmor+"=0"), "as root: ")
}

// quoted is a path in a profile, where some characters form patterns.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`).Replace(path) + `"`
}

func (f *Findings) proc() Check {
	c := Check{State: Warning, Effect: "containers show the processes around them, as with --no-pid, and builds do not emulate root in full"}
	switch {
	case f.Host.ProcMasked:
		c.Found = "parts of /proc are hidden here by mounts: " + join(f.Proc.Masks)
		c.Fix = "start the container that this runs in with --security-opt systempaths=unconfined (Docker)\n" +
			"or --security-opt unmask=ALL (Podman), or securityContext.procMount: Unmasked (Kubernetes)"
	case f.Proc.Trial.Skipped:
		return f.skipped(c)
	case f.Proc.Trial.Err != "":
		c.Found, c.Fix = f.Proc.Trial.Err, remedy(f.Proc.Trial.Hint)
	default:
		return works("containers have their own")
	}
	return c
}

// skipped is what was not tried.
func (f *Findings) skipped(c Check) Check {
	c.Found = "not tried, as there are no user namespaces"
	c.Fix = "see the check userns"
	return c
}
