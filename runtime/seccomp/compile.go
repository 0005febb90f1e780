package seccomp

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	filter "github.com/sealift/sealift/starter/seccomp"
)

// Compile returns the arguments of plan.Seccomp for t.
func (p *Profile) Compile(t Target) (flags, program string, err error) {
	code, err := p.compile(t)
	if err != nil {
		return "", "", hint.Wrap(fmt.Errorf("seccomp profile: %w", err), profileRemedy)
	}
	if flags, err = p.flags(); err != nil { // check has refused that
		return "", "", err
	}
	return flags, filter.FormatProgram(code), nil
}

func (p *Profile) compile(t Target) ([]unix.SockFilter, error) {
	covered := p.covered(t.Arch)
	if len(covered) == 0 {
		return nil, fmt.Errorf("system calls of %s are not known", t.Arch)
	}
	var b builder
	b.load(offArch)
	for _, audit := range audits(covered) {
		var body builder
		body.load(offNr)
		segments := p.segments(covered, audit, t)
		body.tree(segments)
		b.unless(audit, body.code)
	}
	b.ret(unix.SECCOMP_RET_KILL_PROCESS)
	if len(b.code) > filter.MaxProgram {
		return nil, fmt.Errorf("its program has %d instructions, and the kernel takes %d", len(b.code), filter.MaxProgram)
	}
	if b.tooFar {
		return nil, errors.New("a rule is too long")
	}
	return b.code, nil
}

// audits are the kernel's names of architectures, each once.
func audits(covered []arch) []uint32 {
	var list []uint32
	for _, a := range covered {
		if !slices.Contains(list, a.audit) {
			list = append(list, a.audit)
		}
	}
	return list
}

// segment is a run of numbers, up to the next segment, that are treated alike.
type segment struct {
	first uint32
	verdict
}

// segments lists what happens to the calls that the kernel reports as of audit.
// Numbers of an architecture that is not covered kill the process.
func (p *Profile) segments(covered []arch, audit uint32, t Target) []segment {
	kill := verdict{action: unix.SECCOMP_RET_KILL_PROCESS}
	list := []segment{{0, kill}}
	for i := range covered {
		if covered[i].audit == audit {
			first := uint32(0)
			if covered[i].x32 {
				first = x32Bit
			}
			list = append(list, p.arch(&covered[i], first, t)...)
		}
	}
	if audit == unix.AUDIT_ARCH_X86_64 && !slices.ContainsFunc(covered, func(a arch) bool { return a.x32 }) {
		list = append(list, segment{x32Bit, kill})
	}
	return merge(list)
}

// arch lists what happens to the calls of one architecture, whose numbers begin
// with first.
func (p *Profile) arch(a *arch, first uint32, t Target) []segment {
	otherwise, err := p.otherwise()
	if err != nil { // check has refused that
		otherwise = unix.SECCOMP_RET_KILL_PROCESS
	}
	verdicts := p.verdicts(a, otherwise, t)
	list := []segment{{first, verdict{action: otherwise}}}
	for _, nr := range slices.Sorted(maps.Keys(verdicts)) {
		list = append(list, segment{nr, verdicts[nr]}, segment{nr + 1, verdict{action: otherwise}})
	}
	return list
}

// verdicts returns what happens to the calls, by number, that rules are about.
func (p *Profile) verdicts(a *arch, otherwise uint32, t Target) map[uint32]verdict {
	numbers := a.numbers(p.named())
	verdicts := map[uint32]verdict{}
	add := func(name string, c clause) {
		nr, known := numbers[name]
		if !known {
			return
		}
		v, seen := verdicts[nr]
		if !seen {
			v.action = otherwise
		}
		v.add(c)
		verdicts[nr] = v
	}
	for i := range p.Syscalls {
		r := &p.Syscalls[i]
		act, err := r.action()
		if err != nil || act == otherwise || !r.applies(t) {
			continue // the rule says nothing new
		}
		for _, c := range clauses(r.Args, act) {
			for _, name := range r.names() {
				add(name, c)
				if m, ok := a.multiplexed[name]; ok && (len(c.conditions) == 0 || milder(otherwise, act)) {
					// The arguments are in memory, out of reach: what forbids
					// something forbids all of it.
					add(m.call, clause{[]argument{m.condition()}, act})
				}
			}
		}
	}
	return verdicts
}

// named are the calls that rules can be about, by name.
func (p *Profile) named() map[string]bool {
	names := map[string]bool{"socketcall": true, "ipc": true}
	for i := range p.Syscalls {
		for _, name := range p.Syscalls[i].names() {
			names[name] = true
		}
	}
	return names
}

// condition is met by the call that m makes. The upper half of ipc's first
// argument is a version.
func (m multiplex) condition() argument {
	return argument{Index: 0, Op: opMasked, Value: 0xffff, ValueTwo: m.number}
}

// merge joins neighbours that are alike, and of segments that begin together
// keeps the last.
func merge(list []segment) []segment {
	var out []segment
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].first == s.first {
			out = out[:n-1]
		}
		if n := len(out); n == 0 || !out[n-1].same(s.verdict) {
			out = append(out, s)
		}
	}
	return out
}
