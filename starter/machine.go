package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/confine"
	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/netns"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/resolve"
	"github.com/sealift/sealift/starter/rootemu"
	"github.com/sealift/sealift/starter/seccomp"
)

// machine executes one plan.
type machine struct {
	report   int
	resolver resolve.Resolver
	// session is an O_PATH descriptor of the session directory, or -1 before
	// Session and after Pivot.
	session int
	// root is an O_PATH descriptor of the root directory, or -1 when it has to be
	// opened.
	root    int
	pivoted bool
	// kept are descriptors of /dev/fuse for mounters.
	kept []int
	// emulator is for the payload, or nil.
	emulator *rootemu.Emulator
	// filter is for the payload, or empty, with flags of seccomp(2).
	filter      []unix.SockFilter
	filterFlags uintptr
	// spare are capabilities that this thread needs until the payload is
	// executed, and the payload does not get.
	spare string
	// stay is Process.Stay, user Clone.User.
	stay, user bool
	// signals delivers the channel on which catch receives signals.
	signals <-chan (chan os.Signal)
}

// run executes p. It returns only when something failed or, after Init, with
// the payload's exit status.
func (m *machine) run(p *plan.Plan) (status int, f *plan.Report) {
	m.user = p.Clone.User
	if m.stay = p.Process.Stay; p.Process.Init && p.Late() && len(p.Process.Args) > 0 {
		return m.delegate(p)
	}
	if p.Process.User != nil && !p.Has(plan.Emulate) {
		m.spare = "setuid,setgid"
	}
	if p.Process.CloseFDs {
		fds.HideOthers(p.Process.KeepFDs, m.report)
	}
	// Modes are what the plan says; the mask is for the payload.
	mask := unix.Umask(0)
	sources := make([]hosts, len(p.Ops))
	for i, op := range p.Ops {
		var err error
		if sources[i], err = openHosts(op); err != nil {
			return 0, failure(plan.StageSource, i, err)
		}
	}
	for i, op := range p.Ops {
		err := m.do(i, op, sources[i])
		sources[i].close()
		if err != nil {
			return 0, failure(plan.StageOp, i, err)
		}
	}
	if p.Process.Umask >= 0 {
		mask = p.Process.Umask
	}
	unix.Umask(mask)
	return m.payload(&p.Process)
}

// do executes op, whose host paths are open as h.
func (m *machine) do(index int, op plan.Op, h hosts) (err error) {
	a := op.Args
	switch op.Verb {
	case plan.Session:
		return m.startSession(h.first(), a[0], a[1])
	case plan.Fuse:
		return m.fuse(index, a[0], a[1])
	case plan.Fill:
		return m.fill(index, a[0])
	case plan.Mount:
		return m.mount(a[0], a[1], a[2], a[3])
	case plan.Bind:
		return m.bind(h.first(), a[0], a[1], a[2])
	case plan.Overlay:
		return m.overlay(h, a[0], a[4])
	case plan.Mkdir:
		return m.mkdir(a[0], a[1])
	case plan.Mkfile:
		return m.mkfile(a[0], a[1])
	case plan.Write:
		return m.write(a[0], a[1], a[2])
	case plan.Symlink:
		return m.symlink(a[0], a[1])
	case plan.Umount:
		return m.umount(a[0])
	case plan.Hostname:
		return unix.Sethostname([]byte(a[0]))
	case plan.Pivot:
		return m.pivot()
	case plan.Emulate:
		// The filter is installed when nothing is left to do on this thread
		// that it would stop.
		m.emulator, err = rootemu.New(rootemu.Mode(a[0]), a[1])
		return err
	case plan.Network:
		return netns.Up()
	case plan.Label:
		return confine.Label(a[0], a[1])
	case plan.Dropcaps:
		if err := m.drop(a[0]); err != nil {
			return err
		}
		return confine.NoNewPrivs()
	case plan.Limitcaps:
		return m.drop(a[0])
	case plan.Raisecaps:
		return confine.Raise(a[0])
	case plan.Seccomp:
		return m.prepareFilter(a[0], a[1])
	}
	return unix.EINVAL
}

// drop takes capabilities from this thread. The others keep theirs: what runs in the
// container already, where this process has joined one, is kept from tracing it.
func (m *machine) drop(keep string) error {
	if err := forbidTracing(); err != nil {
		return err
	}
	return confine.Drop(keep, m.spare)
}

// prepareFilter reads a filter, and installs it or leaves that until nothing is
// left to do on this thread that it could stop.
func (m *machine) prepareFilter(words, program string) error {
	p, err := seccomp.ParseProgram(program)
	if err != nil {
		return err
	}
	flags, now, err := seccomp.ParseFlags(words)
	if err == nil && now {
		return seccomp.InstallSilent(p, flags)
	}
	m.filter, m.filterFlags = p, flags
	return err
}
