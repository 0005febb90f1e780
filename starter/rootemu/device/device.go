// Package device puts the host's device nodes in the place of files that stand
// for them.
//
// Input: a file, open, and a mount namespace. Output: a bind mount there.
package device

import (
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Names are the nodes in /dev that programs cannot do without, whatever root
// directory they run in. They do the same everywhere, and give nothing away.
func Names() []string { return []string{"null", "zero", "full", "random", "urandom", "tty"} }

// Number returns the device number of a name in Names, as mknod(2) takes it
// (admin-guide/devices.txt of the kernel), or 0.
func Number(name string) uint32 {
	switch name {
	case "null":
		return 1<<8 | 3
	case "zero":
		return 1<<8 | 5
	case "full":
		return 1<<8 | 7
	case "random":
		return 1<<8 | 8
	case "urandom":
		return 1<<8 | 9
	case "tty":
		return 5 << 8
	}
	return 0
}

// Cover bind-mounts the node name of a mount namespace's /dev on a file of that
// namespace, which fd is an O_PATH descriptor of. namespace is an open file of
// /proc/PID/ns (namespaces(7)), and procfs a descriptor of a procfs of this PID
// namespace. It needs CAP_SYS_ADMIN and CAP_SYS_CHROOT (setns(2)).
func Cover(procfs, namespace, fd int, name string) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread, and with it its place in the other
		// namespace, ends with this goroutine.
		runtime.LockOSThread()
		done <- cover(procfs, namespace, fd, name)
	}()
	return <-done
}

func cover(procfs, namespace, fd int, name string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	// The root directory is that of the namespace from here on.
	if err := unix.Setns(namespace, unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Fchdir(procfs); err != nil {
		return err
	}
	target := strconv.Itoa(unix.Getpid()) + "/fd/" + strconv.Itoa(fd)
	return unix.Mount("/dev/"+name, target, "", unix.MS_BIND, "")
}
