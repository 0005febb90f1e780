package spec

import (
	"errors"
	"io/fs"
	"path"

	gpu "github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

// Joinable is what a program that joins a running container shares with its payload. It
// is kept with the container, in JSON.
type Joinable struct {
	// Name is the instance's, Image what the container was made of.
	Name, Image string
	// Confine are the operations that take from the payload what it is not to have,
	// and Caps the capabilities that they take (plan.Clone.Caps).
	Confine []plan.Op
	Caps    string `json:",omitempty"`
	// User is plan.Process.User.
	User *plan.User `json:",omitempty"`
	// NoUmask says that the umask is not that of the caller, Contain that the host's
	// files are kept out.
	NoUmask, Contain bool
	// Home is the home directory, Binds the targets of the user's binds.
	Home  string
	Binds []string `json:",omitempty"`
	// GPU has the variables of devices; nil where none were asked for.
	GPU *gpu.Plan `json:",omitempty"`
}

// joinable returns what others share with this container.
func (p *planner) joinable(confined []plan.Op, proc plan.Process) Joinable {
	j := Joinable{
		Name: p.req.Instance, Image: p.Image.Title(p.Absolute), Caps: p.id.SetupCaps, User: proc.User,
		NoUmask: p.req.NoUmask, Contain: p.req.contain(), Home: p.id.Home, Binds: p.binds, GPU: p.gpu.Joining(),
	}
	for _, op := range confined {
		switch op.Verb {
		case plan.Label, plan.Dropcaps, plan.Limitcaps, plan.Raisecaps, plan.Seccomp:
			j.Confine = append(j.Confine, op)
		}
	}
	return j
}

// ComputeJoin plans what r asks for in a running container, whose root directory is
// root: no mounts and namespaces, whatever it asks for of these; the same confinement, the caller's variables by the rules of every
// container. Where the kernel does not let this process look into the root, as it
// belongs to other ids, the image's action scripts do there what is decided here else.
func ComputeJoin(r Request, f *host.Facts, root image.FS, j Joinable, held identity.Held) (_ *Container, err error) {
	if j.Confine, err = held.Confine(j.Confine); err != nil {
		return nil, err
	}
	p := &planner{Layout: layout.New(image.Info{Kind: image.Sandbox, Path: j.Image, Name: j.Image, FS: root}, f)}
	p.joins, p.gpu = true, j.GPU
	r.Instance, r.CleanEnv = j.Name, r.CleanEnv || r.ContainAll || r.Compat
	r.NoEval, r.NoUmask = r.NoEval || r.Compat, r.NoUmask || r.Compat || j.NoUmask
	r.Contain, r.ContainAll, r.Compat, r.NoPID, r.NoInit, r.Stay, r.OCIPwd = j.Contain, false, false, true, true, false, false
	p.req, p.id.Home, p.binds = r, j.Home, j.Binds
	if _, err := root.Lstat("."); errors.Is(err, fs.ErrPermission) {
		return p.joinUnseen(j)
	}
	if err := p.checkPwd(); err != nil {
		return nil, err
	}
	proc, err := p.process()
	if err != nil {
		return nil, err
	}
	return p.joined(proc, j), nil
}

// joined puts the plan together.
func (p *planner) joined(proc plan.Process, j Joinable) *Container {
	proc.Init, proc.User = false, j.User
	return &Container{
		Plan:  plan.Plan{Clone: plan.Clone{Caps: j.Caps}, Ops: j.Confine, Process: proc},
		Notes: p.Notes, Joinable: j,
		explain: func() *Explanation { return &Explanation{} },
	}
}

// joinUnseen leaves to the image's scripts what follows from its files.
func (p *planner) joinUnseen(j Joinable) (*Container, error) {
	r := &p.req
	args := append([]string{"/.singularity.d/actions/" + string(r.Action)}, r.Args...)
	proc := plan.Process{Args: args, Umask: -1, CloseFDs: j.Contain}
	if r.NoUmask {
		proc.Umask = 0o022
	}
	if j.Contain {
		proc.KeepFDs = environ.KeptFDs(p.Facts.Environ)
	}
	for _, dir := range []string{p.Facts.Cwd, j.Home} {
		if dir != "" && !(r.contain() && dir == p.Facts.Cwd) {
			proc.Dirs = append(proc.Dirs, dir)
		}
	}
	if proc.Dirs = append(proc.Dirs, "/"); r.Pwd != "" {
		proc.Dirs = []string{path.Clean(r.Pwd)}
	}
	e, err := p.environ(args)
	if err != nil {
		return nil, err
	}
	p.Notes = append(p.Notes, e.Notes()...)
	if proc.Env, err = e.Evaluate(nil); err != nil {
		return nil, err
	}
	return p.joined(proc, j), nil
}
