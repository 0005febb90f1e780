package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/seccomp"
)

// fstatatCall is the number of fstatat(2).
const fstatatCall = unix.SYS_NEWFSTATAT

// auditArch is the architecture that the filter is about (seccomp(2)).
const auditArch = unix.AUDIT_ARCH_X86_64

// The calls that newer architectures do without.

func oldChangingCalls() map[int]handler {
	return map[int]handler{unix.SYS_CHOWN: chown(true), unix.SYS_LCHOWN: chown(false)}
}

func oldFastCalls() map[int]handler {
	return map[int]handler{
		unix.SYS_MKNOD: mknod, unix.SYS_MKDIR: mkdir, unix.SYS_SYMLINK: symlink,
		unix.SYS_OPEN: open, unix.SYS_CREAT: creat,
	}
}

func oldFullCalls() map[int]handler {
	return map[int]handler{unix.SYS_STAT: stat(true), unix.SYS_LSTAT: stat(false)}
}

// openTests let only calls that may make a file pass to the supervisor.
func openTests() map[int][]seccomp.Test {
	return map[int][]seccomp.Test{
		unix.SYS_OPEN:   {{Arg: 1, Any: unix.O_CREAT}},
		unix.SYS_OPENAT: {{Arg: 2, Any: unix.O_CREAT}},
	}
}
