package seccomp

import "golang.org/x/sys/unix"

// Terminal returns the arguments of plan.Seccomp for a filter that lets nobody put
// text into a terminal as if it had been typed (TIOCSTI(2const)): who started the
// container would read, and execute, it afterwards. Everything else is allowed.
func Terminal(t Target) (flags, program string, err error) {
	const low = 1<<32 - 1 // the kernel looks at this half of the request only
	inject := func(request uint64) argument {
		return argument{Index: 1, Op: opMasked, Value: low, ValueTwo: request}
	}
	p := &Profile{DefaultAction: "SCMP_ACT_ALLOW", Flags: []string{"SECCOMP_FILTER_FLAG_SPEC_ALLOW"}}
	for _, a := range machine(t.Arch) {
		p.Architectures = append(p.Architectures, a.name)
	}
	for _, request := range []uint64{unix.TIOCSTI, unix.TIOCLINUX} {
		p.Syscalls = append(p.Syscalls, rule{Names: []string{"ioctl"}, Action: "SCMP_ACT_ERRNO", Args: []argument{inject(request)}})
	}
	flags, program, err = p.Compile(t)
	return flags + ",now", program, err
}
