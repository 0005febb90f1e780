package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/seccomp"
)

// fstatatCall is the number of fstatat(2).
const fstatatCall = unix.SYS_FSTATAT

// auditArch is the architecture that the filter is about (seccomp(2)).
const auditArch = unix.AUDIT_ARCH_AARCH64

// The architecture has none of the calls that newer ones replace.

func oldChangingCalls() map[int]handler { return nil }
func oldFastCalls() map[int]handler     { return nil }
func oldFullCalls() map[int]handler     { return nil }

// openTests let only calls that may make a file pass to the supervisor.
func openTests() map[int][]seccomp.Test {
	return map[int][]seccomp.Test{unix.SYS_OPENAT: {{Arg: 2, Any: unix.O_CREAT}}}
}
