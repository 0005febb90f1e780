package limits

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/cgroup/control"
	"github.com/sealift/sealift/runtime/cgroup/systemd"
	"github.com/sealift/sealift/runtime/host"
)

// Box is the control groups of one container, and what is to be told of them. A nil one
// is of a container without.
type Box struct {
	p       *ui.Process
	plan    *cgroup.Plan
	manager string // socket of systemd
	groups  *control.Groups
	text    bool         // statistics are to be printed
	out     *output.File // and written here, unless it is nil
	started time.Time
}

// Box plans the groups of a container; nil where none are asked for. The facts must have
// been gathered with host.Inputs.Cgroups. Close must be called.
func (f *Flags) Box(p *ui.Process, facts *host.Facts) (*Box, error) {
	if !f.Wanted() {
		return nil, nil
	}
	l, err := f.limits()
	if err != nil {
		return nil, err
	}
	b := &Box{p: p, manager: facts.Manager}
	name, file := strings.CutPrefix(f.stats, "json:")
	switch {
	case f.stats == "text":
		b.text = true
	case f.stats != "" && (!file || name == ""):
		return nil, hint.New(fmt.Sprintf("--stats=%s is neither text nor json:FILE", f.stats), "write --stats, or --stats=json:FILE")
	}
	b.plan, err = cgroup.Compute(&l, f.stats != "", &facts.Cgroups)
	if err != nil && hint.Of(err) == "" {
		err = hint.Wrap(err, "see --help for what each limit takes")
	}
	if err != nil || b.plan == nil {
		return nil, err
	}
	if file {
		if b.out, err = output.Create(name, output.Options{Force: true}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// String returns the plan of the groups, a line for each file.
func (b *Box) String() string {
	if b == nil {
		return ""
	}
	return b.plan.String()
}

// Make makes the groups.
func (b *Box) Make() (err error) {
	if b == nil {
		return nil
	}
	b.started = time.Now()
	b.groups, err = control.Make(b.plan, b.scope)
	return err
}

// scope has systemd make a group for a process, and for this one: systemd removes the
// group, and with it the container's numbers, as soon as nobody is in it.
func (b *Box) scope(pid int) (string, error) {
	if err := systemd.Scope(b.manager, pid, os.Getpid()); err != nil {
		return "", err
	}
	for _, g := range host.Groups(fmt.Sprint(pid)) {
		if g.Version == 2 && g.Dir != "" {
			return g.Dir, nil
		}
	}
	return "", hint.New("the group that systemd has made cannot be seen in /sys/fs/cgroup", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
}

// File is the directory of the group that a process can be started in, or nil.
func (b *Box) File() *os.File {
	if b == nil {
		return nil
	}
	return b.groups.File()
}

// Join puts a process into the groups, but for that of File if it is inside already.
func (b *Box) Join(pid int, inside bool) error {
	if b == nil {
		return nil
	}
	return b.groups.Join(pid, inside)
}

// End tells what became of the container, which has ended with a status or could not be
// started, and returns failed, or another error if that is all.
func (b *Box) End(status int, failed error) error {
	if b == nil {
		return failed
	}
	u := b.groups.Usage()
	if line := u.Killed(b.plan.Memory, status == 128+9 || failed != nil, size); line != "" {
		if failed != nil {
			return hint.Wrap(failed, "%s", line)
		}
		b.p.Say(line)
	}
	if !b.text && b.out == nil {
		return failed
	}
	if len(b.plan.Nests) == 0 {
		var err error
		if u, err = control.Children(); err != nil {
			return errors.Join(failed, err)
		}
		u.Missing = b.plan.Missing + "; " + u.Missing
	}
	if failed != nil {
		status = ui.Code(failed)
	}
	u.Wall = time.Since(b.started).Seconds()
	if b.text {
		b.p.Say(strings.TrimSuffix(u.Text(size), "\n"))
		if u.Missing != "" {
			b.p.Say("these numbers are not of the whole: " + u.Missing)
		}
		return failed
	}
	return errors.Join(failed, b.write(&u, status))
}

// write writes the statistics to the file.
func (b *Box) write(u *cgroup.Usage, status int) error {
	text, err := ui.JSON(struct {
		*cgroup.Usage
		Status int `json:"exit_status"`
	}{u, status}, "  ")
	if err == nil {
		_, err = b.out.File().WriteString(text)
	}
	if err == nil {
		err = b.out.Commit()
	}
	return err
}

// Close removes the groups, with what is left in them.
func (b *Box) Close() {
	if b == nil {
		return
	}
	var err error
	if b.groups != nil {
		err = b.groups.Remove()
	}
	if b.out != nil {
		err = errors.Join(err, b.out.Abort())
	}
	if err != nil {
		b.p.Warn("%v", err)
	}
}

// size spells a number of bytes: 64 MiB, 1.5 GiB.
func size(n int64) string { return strings.Replace(ui.Bytes(n), ".0 ", " ", 1) }
