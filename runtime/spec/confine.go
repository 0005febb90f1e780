package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/seccomp"
	"github.com/sealift/sealift/starter/plan"
)

// confine returns the operations that follow all mounts: they enter the root,
// and take from the payload what it is not to have.
func (p *planner) confine() ([]plan.Op, error) {
	var ops []plan.Op
	if p.options.LSM != "" {
		ops = append(ops, plan.Do(plan.Label, p.options.LSM, p.options.Label))
	}
	ops = append(ops, plan.Do(plan.Pivot))
	if p.req.Hostname != "" {
		ops = append(ops, plan.Do(plan.Hostname, p.req.Hostname))
	}
	if p.net.Own {
		ops = append(ops, plan.Do(plan.Network))
	}
	if p.emulation != "" {
		ops = append(ops, plan.Do(plan.Emulate, p.emulation, p.under))
	}
	drop := plan.Dropcaps
	if p.id.Setuid {
		drop = plan.Limitcaps
	}
	ops = append(ops, plan.Do(drop, p.id.KeepCaps))
	if p.id.RaiseCaps != "" {
		ops = append(ops, plan.Do(plan.Raisecaps, p.id.RaiseCaps))
	}
	filters, err := p.filters()
	return append(ops, filters...), err
}

// filters are what stops system calls of the payload: a contained one must not
// type on the terminal that it shares, where the kernel would allow it.
func (p *planner) filters() ([]plan.Op, error) {
	var ops []plan.Op
	if p.req.contain() && p.emulation == "" && p.typesOnTerminals() {
		flags, program, err := seccomp.Terminal(seccomp.Target{Arch: p.Facts.Arch})
		if err != nil {
			return nil, err
		}
		ops = append(ops, plan.Do(plan.Seccomp, flags, program))
	}
	if p.options.Seccomp == "" {
		return ops, nil
	}
	filter, err := p.filter()
	return append(ops, filter), err
}

// typesOnTerminals says whether this kernel lets programs do so, as all did before
// Linux 6.2.
func (p *planner) typesOnTerminals() bool {
	text, err := p.Facts.ReadFile("/proc/sys/dev/tty/legacy_tiocsti", 16)
	return err != nil || strings.TrimSpace(text) != "0"
}

// filter compiles the seccomp profile that was asked for.
func (p *planner) filter() (plan.Op, error) {
	text, err := p.Facts.ReadFile(p.Absolute(p.options.Seccomp), seccomp.MaxProfile)
	if err != nil {
		return plan.Op{}, hint.Wrap(fmt.Errorf("--security seccomp: %w", err), "name a readable file with a seccomp profile")
	}
	profile, err := seccomp.Parse([]byte(text))
	if err != nil {
		return plan.Op{}, fmt.Errorf("%s: %w", p.options.Seccomp, err)
	}
	caps, err := plan.ParseCaps(p.id.KeepCaps)
	if err != nil {
		return plan.Op{}, err
	}
	flags, program, err := profile.Compile(seccomp.Target{Arch: p.Facts.Arch, Kernel: p.Facts.Kernel, Caps: caps})
	if err != nil {
		return plan.Op{}, fmt.Errorf("%s: %w", p.options.Seccomp, err)
	}
	return plan.Do(plan.Seccomp, flags, program), nil
}

// allowSetuid has set-user-ID programs of the root file system work.
func allowSetuid(ops []plan.Op) {
	for _, op := range ops {
		switch op.Verb {
		case plan.Fuse:
			op.Args[1] = strings.Trim(op.Args[1]+",suid", ",")
		case plan.Bind, plan.Overlay:
			last := &op.Args[len(op.Args)-1]
			words := slices.DeleteFunc(strings.Split(*last, ","), func(w string) bool { return w == "nosuid" })
			*last = strings.Join(words, ",")
		}
	}
}
