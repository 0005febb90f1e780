package seccomp

import "golang.org/x/sys/unix"

const hostArch = unix.AUDIT_ARCH_X86_64
