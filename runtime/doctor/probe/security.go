package probe

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/starter/mountinfo"
)

// switches are the kernel's that forbid or limit user namespaces.
var switches = []string{
	"user.max_user_namespaces", "user.max_mnt_namespaces", "user.max_pid_namespaces",
	"kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns",
}

// security looks at what may refuse user namespaces.
func security() doctor.UserNS {
	u := doctor.UserNS{Switches: map[string]string{}, AppArmor: appArmor(), SELinux: read("/sys/fs/selinux/enforce") == "1"}
	for _, name := range switches {
		if value := read("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); value != "" {
			u.Switches[name] = value
		}
	}
	// Not of the process: the thread that host.Probe used to learn about seccomp
	// may be the one that stands for it.
	status := read("/proc/thread-self/status")
	u.Seccomp = field(status, "Seccomp") == "2"
	u.Filtered = u.Seccomp && filtered()
	u.NoNewPrivs = field(status, "NoNewPrivs") == "1"
	u.Chroot = inChroot(mounts())
	return u
}

// filtered says that a seccomp filter refuses user namespaces. The kernel itself
// finds 1 an invalid flag before all else, and has no user namespaces for one of
// several threads either (unshare(2)): nothing can come of the call.
func filtered() bool { return unix.Unshare(unix.CLONE_NEWUSER|1) != unix.EINVAL }

// appArmor returns the profile of this process, empty without AppArmor. The file
// of its own is there from Linux 5.1 on; the older one may be SELinux's.
func appArmor() string {
	if read("/sys/module/apparmor/parameters/enabled") != "Y" {
		return ""
	}
	for _, name := range []string{"/proc/self/attr/apparmor/current", "/proc/self/attr/current"} {
		if profile := strings.TrimRight(read(name), "\x00"); profile != "" {
			return profile
		}
	}
	return ""
}

// field returns a value of /proc/self/status (proc_pid_status(5)).
func field(status, key string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// mounts is the table of this process.
func mounts() []mountinfo.Mount {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return mountinfo.Parse(table)
}

// inChroot says that the root directory is no mount's: the table then has no entry
// for it, as it shows paths below the root directory.
func inChroot(table []mountinfo.Mount) bool {
	for _, m := range table {
		if m.Point == "/" {
			return false
		}
	}
	return len(table) > 0
}

// masks lists what is mounted below /proc.
func masks() []string {
	var points []string
	for _, m := range mounts() {
		if strings.HasPrefix(m.Point, "/proc/") {
			points = append(points, m.Point)
		}
	}
	return points
}
