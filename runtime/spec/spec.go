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
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	gpu "github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/mounts"
	"github.com/sealift/sealift/runtime/network"
	"github.com/sealift/sealift/runtime/security"
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
	// Served says what the plan's Fuse and Fill operations are for. The topmost layer
	// of the image shows Plan.Image too.
	Served []layout.Served
	// Joinable is what those share who join the container.
	Joinable Joinable
	// Notes are remarks for the user, one line each: what was left out.
	Notes []string

	explain func() *Explanation
}

// For returns what the directory of a Fuse or Fill operation is for.
func (c *Container) For(target string) (layout.Served, error) {
	for _, m := range c.Served {
		if m.Target == target {
			return m, nil
		}
	}
	return layout.Served{}, fmt.Errorf("nothing is for %s", target)
}

// Owner is a pair of ids inside the container's user namespace.
type Owner struct{ UID, GID uint32 }

// Namespaces returns the namespaces that Compute will plan for r on any image,
// so that the starter can be started while the plan is computed.
func Namespaces(r Request, f *host.Facts) (plan.Clone, error) {
	p := &planner{Layout: layout.New(image.Info{}, f), req: r.implied()}
	if err := p.who(); err != nil {
		return plan.Clone{}, err
	}
	return p.clone(), nil
}

// Wants returns what r names besides the image, for Compute to be given.
func Wants(r Request, f *host.Facts) ([]layout.Want, error) {
	binds, err := bind.Both(r.Binds, r.Mounts, f.Cwd)
	if err != nil {
		return nil, err
	}
	var wants []layout.Want
	for _, b := range binds {
		if w, ok := mounts.Want(b); ok && !slices.Contains(wants, w) {
			wants = append(wants, w)
		}
	}
	overlays, err := bind.ParseOverlays(r.Overlays, f.Cwd)
	for _, o := range overlays {
		if w := layout.OverlayWant(o); !slices.Contains(wants, w) {
			wants = append(wants, w)
		}
	}
	if r.Writable {
		wants = append(wants, imageWant)
	}
	return wants, err
}

// Compute plans the container that r asks for, on an image and with what else it
// wants. Errors carry a hint.
func Compute(r Request, f *host.Facts, img image.Info, volumes ...layout.Volume) (*Container, error) {
	r = r.implied()
	p := &planner{Layout: layout.New(img, f), req: r}
	p.Volumes, p.Unpack = volumes, r.Unpack
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
	w, err := p.writable()
	if err != nil {
		return nil, err
	}
	wish := r.mounts(binds)
	if wish.Fuse, err = bind.ParseFuse(r.FuseMounts); err != nil {
		return nil, err
	}
	wish.Files = p.net.Files
	if wish.GPU, err = p.devices(); err != nil {
		return nil, err
	}
	p.gpu = wish.GPU
	p.mounts = mounts.New(p.Layout, wish, &p.id)
	p.mounts.Accounts()
	p.actions()
	if err := p.mounts.All(); err != nil {
		return nil, err
	}
	if err := p.checkPwd(); err != nil {
		return nil, err
	}
	p.binds = p.mounts.Binds()
	proc, err := p.process()
	if err != nil {
		return nil, err
	}
	return p.container(w, proc)
}

// planner collects what one plan is made of.
type planner struct {
	*layout.Layout
	req     Request
	options security.Options
	id      identity.Identity
	net     network.Network
	mounts  *mounts.Planner
	gpu     *gpu.Plan // nil is nothing
	binds   []string  // the targets of the user's
	joins   bool      // a container that runs already
	// variables is how the payload's come about, unless it is a build's.
	variables *environ.Environment

	emulation string // of root, by the operation Emulate
	under     string // where, or empty for everywhere
}

// check settles what the rest relies on: identity, home, architecture.
func (p *planner) check() error {
	if err := p.Image.RunsOn(p.Facts.Arch); err != nil {
		return err
	}
	err := p.who()
	if err != nil {
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
	p.Shared = p.id.Ranged() || !p.id.User
	return nil
}

// who settles what the namespaces follow from: identity and network.
func (p *planner) who() (err error) {
	r := &p.req
	if p.options, err = security.Parse(r.Security); err != nil {
		return err
	}
	if err := p.options.Check(p.Facts); err != nil {
		return err
	}
	wish := identity.Wish{
		Userns: r.Userns, Fakeroot: r.Fakeroot, UID: p.options.UID, GIDs: p.options.GIDs,
		AddCaps: r.AddCaps, DropCaps: r.DropCaps, KeepPrivs: r.KeepPrivs, NoPrivs: r.NoPrivs, AllowSetuid: r.AllowSetuid,
	}
	if p.id, err = identity.Of(wish, p.Facts); err != nil {
		return err
	}
	p.net, err = network.Of(r.network(), p.Facts)
	return err
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
	ops, shown, err := p.Root(w)
	if err != nil {
		return nil, err
	}
	root := len(ops)
	if p.id.Setuid {
		allowSetuid(ops)
	}
	ops = append(ops, p.Ops...)
	confined, err := p.confine()
	if err != nil {
		return nil, err
	}
	ops = append(ops, confined...)
	proc.User = cmp.Or(proc.User, p.id.Payload)
	proc.Mounters = p.Mounters
	c := &Container{
		Plan:   plan.Plan{Clone: p.clone(), Helper: p.net.Helper, Image: shown, Ops: ops, Process: proc},
		Served: p.Serves(),
		Notes:  p.Notes,
	}
	if (w != (layout.Writable{}) || p.emulation != "") && p.Served() && p.id.User && !p.id.Ranged() {
		c.Owner = &Owner{p.id.UID, p.id.GID}
	}
	if len(p.Mounters) > 0 && c.Plan.Late() {
		return nil, hint.New("--fusemount container:… and --security seccomp exclude each other", "have a program of the host mount it: host:…")
	}
	c.Joinable = p.joinable(confined, c.Plan.Process)
	p.explain(c, root)
	return c, nil
}

// clone returns the namespaces of the request.
func (p *planner) clone() plan.Clone {
	r := &p.req
	return plan.Clone{
		User: p.id.User, Mount: true, PID: r.newPID(), IPC: r.newIPC(), UTS: r.UTS || r.Hostname != "",
		Net: p.net.Own, NetPath: p.net.Path, UIDs: p.id.UIDs, GIDs: p.id.GIDs, Caps: p.id.SetupCaps,
	}
}
