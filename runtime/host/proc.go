package host

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// status holds the lines of /proc/self/status that matter (proc_pid_status(5)).
type status struct {
	groups []uint32
	umask  int
	admin  bool
}

func parseStatus(text string) status {
	var s status
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Umask":
			mask, _ := strconv.ParseUint(value, 8, 9)
			s.umask = int(mask)
		case "Groups":
			for g := range strings.FieldsSeq(value) {
				if id, err := strconv.ParseUint(g, 10, 32); err == nil {
					s.groups = append(s.groups, uint32(id))
				}
			}
		case "CapEff":
			caps, _ := strconv.ParseUint(value, 16, 64)
			s.admin = caps&(1<<unix.CAP_SYS_ADMIN) != 0
		}
	}
	return s
}

// emptyProcDirs are directories of procfs that exist to be mounted on and that
// nothing else is ever in: mounts there hide nothing, which the kernel knows
// (proc_create_mount_point).
var emptyProcDirs = map[string]bool{
	"/proc/sys/fs/binfmt_misc": true,
	"/proc/fs/nfsd":            true,
	"/proc/openprom":           true,
}

// procMasked says whether text, a mountinfo (proc_pid_mountinfo(5)), shows a
// mount that hides part of /proc. The kernel then refuses a new procfs to user
// namespaces, lest it uncover that part (mount_too_revealing in
// fs/namespace.c). A /proc that is mounted read-only counts as well.
func procMasked(text string) bool {
	seen := false
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		point, options := fields[4], fields[5]
		if point == "/proc" {
			seen = true
			if strings.HasPrefix(options, "ro,") || options == "ro" {
				return true
			}
		}
		if strings.HasPrefix(point, "/proc/") && !emptyProcDirs[point] {
			return true
		}
	}
	return !seen
}

// userNamespaces reads the switches of the kernel and of Debian's patch for it.
func userNamespaces() bool {
	return allowed(read("/proc/sys/user/max_user_namespaces")) &&
		allowed(read("/proc/sys/kernel/unprivileged_userns_clone"))
}

// allowed says whether a switch is on; one that does not exist is.
func allowed(value string) bool { return strings.TrimSpace(value) != "0" }
