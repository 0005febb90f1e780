package confine

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Label has what this thread executes next run under the profile name of lsm,
// apparmor, or with the context name of lsm, selinux (proc_pid_attr(5)). /proc
// must be a procfs that shows this process. ENOENT: it is something else, or the
// kernel has no such security module. EPERM: the label was taken, and another
// one is read back.
func Label(lsm, name string) error {
	text, files := name, []string{"exec"}
	switch lsm {
	case "selinux":
	case "apparmor":
		// The second one is the kernel's before 5.8.
		text, files = "exec "+name, []string{"apparmor/exec", "exec"}
	default:
		return unix.EINVAL
	}
	var err error
	for _, file := range files {
		if err = writeLabel("/proc/thread-self/attr/"+file, text, name); err != unix.ENOENT {
			return err
		}
	}
	return err
}

func writeLabel(path, text, name string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A file of another file system would swallow the label.
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return unix.ENOENT
	}
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return err
	}
	back := make([]byte, 4096)
	n, err := unix.Pread(fd, back, 0)
	if err != nil {
		return err
	}
	if !labelled(string(back[:max(n, 0)]), name) {
		return unix.EPERM
	}
	return nil
}

// labelled tells whether text, the content of a file of attr/, says name. AppArmor
// adds the mode in parentheses, SELinux a NUL.
func labelled(text, name string) bool {
	rest, ok := strings.CutPrefix(text, name)
	return ok && (strings.HasPrefix(rest, " (") || strings.Trim(rest, "\x00\n") == "")
}
