package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
)

// call is what a filter sees of a system call (struct seccomp_data).
type call struct {
	nr, arch uint32
	args     [6]uint64
}

// word returns the four bytes at off.
func (c call) word(t *testing.T, off uint32) uint32 {
	switch {
	case off == 0:
		return c.nr
	case off == 4:
		return c.arch
	case off >= 16 && off < 64 && off%4 == 0:
		return uint32(c.args[(off-16)/8] >> (8 * (off % 8)))
	}
	t.Fatalf("load at %d", off)
	return 0
}

// result runs a program the way the kernel does (networking/filter.rst), with the
// instructions that filters here are made of.
func result(t *testing.T, p []unix.SockFilter, c call) uint32 {
	t.Helper()
	a := uint32(0)
	for pc := 0; pc < len(p); pc++ {
		i := p[pc]
		taken := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = c.word(t, i.K)
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = a == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			taken = a > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = a >= i.K
		default:
			t.Fatalf("instruction %d: %+v", pc, i)
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	t.Fatal("the program has no end")
	return 0
}

// expected is what the profile says about a call of the machine's own
// architecture, found without any program.
func expected(p *Profile, name string, args [6]uint64) uint32 {
	otherwise, _ := p.otherwise()
	first, found := otherwise, false
	for _, r := range p.Syscalls {
		act, _ := r.action()
		if act == otherwise || !contains(r.names(), name) {
			continue
		}
		if len(r.Args) == 0 {
			return act
		}
		if !found && metBy(r.Args, args) {
			first, found = act, true
		}
	}
	return first
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func metBy(conditions []argument, args [6]uint64) bool {
	all, any, twice := true, false, false
	seen := map[uint]bool{}
	for _, c := range conditions {
		v := args[c.Index]
		met := map[string]bool{
			"SCMP_CMP_EQ": v == c.Value, "SCMP_CMP_NE": v != c.Value, "SCMP_CMP_GT": v > c.Value, "SCMP_CMP_GE": v >= c.Value,
			"SCMP_CMP_LT": v < c.Value, "SCMP_CMP_LE": v <= c.Value, opMasked: v&c.Value == c.ValueTwo,
		}[c.Op]
		all, any = all && met, any || met
		twice = twice || seen[c.Index]
		seen[c.Index] = true
	}
	if twice {
		return any
	}
	return all
}
