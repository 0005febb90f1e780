package seccomp

import (
	_ "embed" // the table of numbers
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// table has a line for each system call: its name, and its numbers on amd64, 386,
// arm64 and arm, or - where it does not exist. TestTable makes it of
// golang.org/x/sys, which has them from the kernel.
//
//go:embed syscalls.txt
var table string

// arch is an architecture whose programs a machine runs.
type arch struct {
	name   string // a profile's
	audit  uint32 // AUDIT_ARCH_*
	column int    // of the table
	x32    bool
	// multiplexed calls are made by way of others, by numbers of their own.
	multiplexed map[string]multiplex
}

// multiplex is one call as an argument of another one.
type multiplex struct {
	call   string
	number uint64
}

// machine returns the architectures that a machine runs programs of, its own
// first. goarch is Go's name for it.
func machine(goarch string) []arch {
	switch goarch {
	case "amd64":
		return []arch{
			{name: "SCMP_ARCH_X86_64", audit: unix.AUDIT_ARCH_X86_64, column: 0},
			{name: "SCMP_ARCH_X86", audit: unix.AUDIT_ARCH_I386, column: 1, multiplexed: on386()},
			{name: "SCMP_ARCH_X32", audit: unix.AUDIT_ARCH_X86_64, column: 0, x32: true},
		}
	case "arm64":
		return []arch{
			{name: "SCMP_ARCH_AARCH64", audit: unix.AUDIT_ARCH_AARCH64, column: 2},
			{name: "SCMP_ARCH_ARM", audit: unix.AUDIT_ARCH_ARM, column: 3},
		}
	}
	return nil
}

// architectures are all that a profile may name.
const architectures = `SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64 SCMP_ARCH_ARM SCMP_ARCH_MIPS
	SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_PPC
	SCMP_ARCH_PPC64 SCMP_ARCH_PPC64LE SCMP_ARCH_S390 SCMP_ARCH_S390X SCMP_ARCH_PARISC SCMP_ARCH_PARISC64
	SCMP_ARCH_RISCV64 SCMP_ARCH_LOONGARCH64 SCMP_ARCH_M68K SCMP_ARCH_SH SCMP_ARCH_SHEB`

func knownArchitecture(name string) bool { return slices.Contains(strings.Fields(architectures), name) }

// covered returns the architectures of the machine goarch that the profile is
// about; the machine's own is always among them.
func (p *Profile) covered(goarch string) []arch {
	all := machine(goarch)
	names := slices.Clone(p.Architectures)
	for _, f := range p.ArchMap {
		if len(all) > 0 && f.Architecture == all[0].name {
			names = append(names, f.SubArchitectures...)
		}
	}
	var covered []arch
	for i, a := range all {
		if i == 0 || slices.Contains(names, a.name) {
			covered = append(covered, a)
		}
	}
	return covered
}

// x32Bit marks the numbers of x32 (asm/unistd.h).
const x32Bit = 1 << 30

// x32Own are the calls that have numbers of their own on x32, from 512 on
// (arch/x86/entry/syscalls/syscall_64.tbl of the kernel).
const x32Own = `rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace
	rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid
	set_robust_list get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg
	process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2`

// armOwn are the calls that arm has besides those of the table, from armFirst on
// (asm/unistd.h).
const (
	armOwn   = "breakpoint cacheflush usr26 usr32 set_tls get_tls"
	armFirst = 0xf0001
)

// numbers returns the numbers of the system calls of a, of those that are wanted.
func (a *arch) numbers(wanted map[string]bool) map[string]uint32 {
	numbers := map[string]uint32{}
	add := func(name string, n uint32) {
		if wanted[name] {
			numbers[name] = n
		}
	}
	bit := uint32(0)
	if a.x32 {
		bit = x32Bit
	}
	for line := range strings.Lines(table) {
		name, rest, _ := strings.Cut(line, " ")
		if !wanted[name] {
			continue
		}
		if n, err := strconv.ParseUint(strings.Fields(rest)[a.column], 10, 32); err == nil {
			add(name, bit|uint32(n))
		}
	}
	switch {
	case a.x32:
		for i, name := range strings.Fields(x32Own) {
			add(name, bit|uint32(512+i))
		}
	case a.name == "SCMP_ARCH_ARM":
		for i, name := range strings.Fields(armOwn) {
			add(name, armFirst+uint32(i))
		}
	}
	return numbers
}

// on386 are the calls of socketcall(2) and ipc(2) (linux/net.h, linux/ipc.h).
func on386() map[string]multiplex {
	m := map[string]multiplex{}
	for call, names := range map[string]string{
		"socketcall": `- socket bind connect listen accept getsockname getpeername socketpair send recv sendto
			recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`,
		"ipc": `- semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl - - - - - - shmat shmdt
			shmget shmctl`,
	} {
		for n, name := range strings.Fields(names) {
			if name != "-" {
				m[name] = multiplex{call, uint64(n)}
			}
		}
	}
	return m
}
