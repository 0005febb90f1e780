// Package spec decides everything about a container before anything happens.
//
// Input: a Request (what the user asked for), host.Facts (what the machine
// allows) and image.Info (what the image holds). Output: a Container, whose
// Plan lists every namespace, mount, file and variable. The same input always
// gives the same plan: the package makes no system call, starts nothing, and
// reads neither clock nor environment; files are looked at only through the
// file systems in its arguments, of which the image's is not trusted.
package spec

import (
	"fmt"
	"path"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/mounts"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// Container is a computed container.
type Container struct {
	Plan plan.Plan
	// Owner, unless nil, is to be shown by the image server as the owner of
	// every file, by its ids in the container. With a single id mapped,
	// overlayfs can copy up only what belongs to that id, and the emulation of
	// root takes all for its own but what an attribute says is not.
	Owner *Owner
	// Served are the targets of the plan's Fuse operations: the image's, or,
	// where it has several layers, theirs with the topmost first. That one shows
	// Plan.Image.
	Served []string
	// Notes are remarks for the user, one line each: what was left out.
	Notes []string
}

// Owner is a pair of ids inside the container's user namespace.
type Owner struct{ UID, GID uint32 }

// Namespaces returns the namespaces that Compute will plan for r on any image,
// so that the starter can be started while the plan is computed.
func Namespaces(r Request, f *host.Facts) (plan.Clone, error) {
	id, err := identity.Of(r.wish(), f)
	if err != nil {
		return plan.Clone{}, err
	}
	return clone(id, &r), nil
}

// Compute plans the container that r asks for. Errors carry a hint.
func Compute(r Request, f *host.Facts, img image.Info) (*Container, error) {
	p := &planner{Layout: layout.New(img, f), req: r}
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	binds, err := bind.Both(r.Binds, r.Mounts, f.Cwd)
	if err != nil {
		return nil, err
	}
	if err := p.checkRoot(); err != nil {
		return nil, err
	}
	p.mounts = mounts.New(p.Layout, r.mounts(binds), &p.id)
	p.mounts.Accounts()
	p.actions()
	if err := p.mounts.All(); err != nil {
		return nil, err
	}
	if err := p.checkPwd(); err != nil {
		return nil, err
	}
	proc, err := p.process()
	if err != nil {
		return nil, err
	}
	var w layout.Writable
	if r.WritableTmpfs {
		w = layout.InMemory()
	}
	return p.container(w, proc)
}

// planner collects what one plan is made of.
type planner struct {
	*layout.Layout
	req    Request
	id     identity.Identity
	mounts *mounts.Planner

	emulation string // of root, by the operation Emulate
	under     string // where, or empty for everywhere
}

// check settles what the rest relies on: identity, home, architecture.
func (p *planner) check() error {
	if err := p.Image.RunsOn(p.Facts.Arch); err != nil {
		return err
	}
	var err error
	if p.id, err = identity.Of(p.req.wish(), p.Facts); err != nil {
		return err
	}
	if p.req.Home != "" {
		if _, p.id.Home, err = bind.SplitHome(p.req.Home); err != nil {
			return err
		}
	}
	if !path.IsAbs(p.id.Home) {
		p.id.Home = "/"
	}
	return nil
}

// rootEntries are names of which a root file system has at least one.
var rootEntries = []string{"bin", "usr", "sbin", "lib", "nix", ".singularity.d"}

// checkRoot refuses a directory that was taken for a root file system. One that
// holds the command itself will do.
func (p *planner) checkRoot() error {
	if p.Image.Kind != image.Sandbox {
		return nil
	}
	if p.Absolute(p.Image.Path) == "/" {
		return hint.New("the root directory of the machine cannot be an image", "name the directory that was built with sealift build --sandbox")
	}
	names := rootEntries
	if p.req.Action == Exec && len(p.req.Args) > 0 && path.IsAbs(p.req.Args[0]) {
		names = append([]string{view.Relative(path.Clean(p.req.Args[0]))}, names...)
	}
	for _, name := range names {
		if _, err := p.Image.FS.Lstat(name); err == nil {
			return nil
		}
	}
	return hint.New(fmt.Sprintf("image %s is a directory, but not a root file system: it has no bin and no usr", p.Image.Path),
		"name an image file, or the directory that was built with sealift build --sandbox")
}

// container puts the plan together.
func (p *planner) container(w layout.Writable, proc plan.Process) (*Container, error) {
	ops, shown, err := p.Root(w, p.id.Ranged() || !p.id.User)
	if err != nil {
		return nil, err
	}
	ops = append(append(ops, p.Ops...), plan.Do(plan.Pivot))
	if p.req.Hostname != "" {
		ops = append(ops, plan.Do(plan.Hostname, p.req.Hostname))
	}
	if p.emulation != "" {
		ops = append(ops, plan.Do(plan.Emulate, p.emulation, p.under))
	}
	ops = append(ops, plan.Do(plan.Dropcaps, p.id.KeepCaps))
	c := &Container{
		Plan:  plan.Plan{Clone: clone(p.id, &p.req), Image: shown, Ops: ops, Process: proc},
		Notes: p.Notes,
	}
	for _, op := range ops {
		if op.Verb == plan.Fuse {
			c.Served = append(c.Served, op.Args[0])
		}
	}
	if (w != (layout.Writable{}) || p.emulation != "") && p.Served() && p.id.User && !p.id.Ranged() {
		c.Owner = &Owner{p.id.UID, p.id.GID}
	}
	return c, nil
}

// clone returns the namespaces of a request.
func clone(id identity.Identity, r *Request) plan.Clone {
	return plan.Clone{
		User: id.User, Mount: true, PID: r.newPID(), IPC: r.newIPC(),
		UTS: r.UTS || r.Hostname != "", UIDs: id.UIDs, GIDs: id.GIDs,
	}
}

func (r *Request) wish() identity.Wish { return identity.Wish{Userns: r.Userns, Fakeroot: r.Fakeroot} }
