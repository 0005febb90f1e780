// Package seccomp makes filters of system calls, and receives the calls that a
// filter leaves to a supervisor (seccomp(2), seccomp_unotify(2)).
//
// Input: rules. Output: a BPF program, and a Listener. It decides about no call.
package seccomp

import (
	"golang.org/x/sys/unix"
)

// Rule says what the filter does with one system call that passes all tests;
// one that does not is allowed.
type Rule struct {
	NR     int
	Action uint32
	Tests  []Test
}

// Test looks at the lower half of an argument, numbered from 0. It is passed
// when that has one of the bits in Any, or when Any is 0 and it is equal.
type Test struct{ Arg, Any, Equal uint32 }

// Offsets in struct seccomp_data (linux/seccomp.h), on a little-endian machine.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// x32Bit is in the numbers of the x32 ABI's calls, which have amd64's
// AUDIT_ARCH (asm/unistd.h).
const x32Bit = 0x40000000

// Assemble returns the BPF program of rules (seccomp(2)): calls of another ABI
// than the native one, and those that no rule is about, are allowed.
func Assemble(arch uint32, rules []Rule) []unix.SockFilter {
	allow := ret(unix.SECCOMP_RET_ALLOW)
	p := []unix.SockFilter{
		load(offArch), jump(unix.BPF_JEQ, arch, 1, 0), allow,
		load(offNr), jump(unix.BPF_JGE, x32Bit, 0, 1), allow,
	}
	for _, r := range rules {
		var body []unix.SockFilter
		for _, t := range r.Tests {
			op, value := uint16(unix.BPF_JEQ), t.Equal
			if t.Any != 0 {
				op, value = unix.BPF_JSET, t.Any
			}
			body = append(body, load(offArgs+8*t.Arg), jump(op, value, 1, 0), allow)
		}
		body = append(body, ret(r.Action))
		p = append(p, jump(unix.BPF_JEQ, uint32(r.NR), 0, uint8(len(body))))
		p = append(p, body...)
	}
	return append(p, allow)
}

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// jump compares the loaded word with k and skips yes or no instructions.
func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

// Nothing is a program that allows everything.
func Nothing() []unix.SockFilter { return []unix.SockFilter{ret(unix.SECCOMP_RET_ALLOW)} }
