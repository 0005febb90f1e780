package seccomp

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// actions are the values that a filter returns (seccomp(2)).
var actions = map[string]uint32{
	"SCMP_ACT_KILL":         unix.SECCOMP_RET_KILL_THREAD,
	"SCMP_ACT_KILL_THREAD":  unix.SECCOMP_RET_KILL_THREAD,
	"SCMP_ACT_KILL_PROCESS": unix.SECCOMP_RET_KILL_PROCESS,
	"SCMP_ACT_TRAP":         unix.SECCOMP_RET_TRAP,
	"SCMP_ACT_ERRNO":        unix.SECCOMP_RET_ERRNO,
	"SCMP_ACT_TRACE":        unix.SECCOMP_RET_TRACE,
	"SCMP_ACT_LOG":          unix.SECCOMP_RET_LOG,
	"SCMP_ACT_ALLOW":        unix.SECCOMP_RET_ALLOW,
}

// maxErrno is the highest error that a filter can have a call return (MAX_ERRNO
// in include/linux/err.h of the kernel).
const maxErrno = 4095

// action returns what a filter returns for an action. The error of a call that
// fails is EPERM unless the profile has its name or its number.
func action(name string, number *uint, errno string) (uint32, error) {
	value, known := actions[name]
	switch {
	case name == "SCMP_ACT_NOTIFY":
		return 0, fmt.Errorf("action %s needs a supervisor, which containers have not", name)
	case !known:
		return 0, fmt.Errorf("unknown action %q", name)
	case value != unix.SECCOMP_RET_ERRNO && value != unix.SECCOMP_RET_TRACE:
		return value, nil
	case errno != "":
		n, err := errnoOf(errno)
		return value | n, err
	case number == nil:
		return value | uint32(unix.EPERM), nil
	case *number > maxErrno:
		return 0, fmt.Errorf("there is no error %d", *number)
	}
	return value | uint32(*number), nil
}

// errnoOf returns the number of the error name: ENOSYS.
func errnoOf(name string) (uint32, error) {
	const last = 133 // EHWPOISON (asm-generic/errno.h)
	for n := uint32(1); n <= last; n++ {
		if unix.ErrnoName(unix.Errno(n)) == name {
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no error %q", name)
}

// milder tells whether action a restricts less than b. The kernel compares the
// actions of several filters as signed numbers, in this order (seccomp(2)).
func milder(a, b uint32) bool {
	return int32(a&unix.SECCOMP_RET_ACTION_FULL) > int32(b&unix.SECCOMP_RET_ACTION_FULL)
}

// flags returns the flags of plan.Seccomp. The filter is installed before there is
// a second thread, and has no listener.
func (p *Profile) flags() (string, error) {
	var words []string
	for _, f := range p.Flags {
		switch f {
		case "SECCOMP_FILTER_FLAG_LOG":
			words = append(words, "log")
		case "SECCOMP_FILTER_FLAG_SPEC_ALLOW":
			words = append(words, "spec_allow")
		case "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
		default:
			return "", fmt.Errorf("unknown flag %q", f)
		}
	}
	return strings.Join(words, ","), nil
}
