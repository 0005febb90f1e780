package spec

import (
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

// Explanation says of what a container has, and of what it lacks, which rule it
// follows from, in the words of the user's options.
type Explanation struct {
	// Variables are the payload's, Outside those of the caller that it does not
	// get. Unknown, unless nil, is why scripts of the image
	// may change some of Variables and add others: the image's own shell runs them.
	Variables []environ.Variable
	Outside   []Outside
	Unknown   error
	// Mounts are the file systems and files, in the order in which they come: later
	// ones cover earlier ones. Left is what is not mounted.
	Mounts []Mount
	Left   []layout.LeftOut
	// IDs are who the payload is, and its namespaces.
	IDs []Fact
}

// Outside is a variable of the caller that the payload does not get.
type Outside struct {
	Name string `json:"name"`
	Why  string `json:"rule"`
}

// Mount is a file system or a file of a container.
type Mount struct {
	Target string `json:"target"`
	// Type is bind, file, or the name of a file system.
	Type string `json:"type"`
	// Source is a path of the host, or the image.
	Source string `json:"source,omitempty"`
	Flags  string `json:"flags,omitempty"`
	Why    string `json:"rule"`
}

// Fact is a property of a container.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"rule"`
}

// explain has the container c able to say why it is as it is. The first operations,
// root in number, make the root file system.
func (p *planner) explain(c *Container, root int) {
	c.explain = func() *Explanation {
		x := &Explanation{Mounts: p.explainMounts(c, root), Left: p.Left, IDs: p.explainIDs(c)}
		if p.variables == nil {
			return x
		}
		var outside []environ.Variable
		x.Variables, outside, x.Unknown = p.variables.Explain(environ.Files(p.Tree, p.Image.FS))
		for _, v := range outside {
			x.Outside = append(x.Outside, Outside{v.Name, v.Origin})
		}
		return x
	}
}

// Explain says why the container is as it is.
func (c *Container) Explain() *Explanation { return c.explain() }

// explainMounts tells of the operations of the plan and of the files that are made
// up.
func (p *planner) explainMounts(c *Container, root int) []Mount {
	var mounts []Mount
	for i, op := range c.Plan.Ops {
		m, ok := p.mountOf(op)
		switch {
		case !ok:
			continue
		case i < root:
			m.Why = "the image"
		case i < root+len(p.Ops):
			m.Why = p.Why(i - root)
		}
		mounts = append(mounts, m)
		if m.Target == "/" {
			mounts = append(mounts, p.madeFiles()...)
		}
	}
	return mounts
}

// madeFiles are the files that the image lacks, or has otherwise.
func (p *planner) madeFiles() []Mount {
	var files []Mount
	for i, op := range p.Extras {
		if op.Verb == plan.Write && !strings.HasPrefix(op.Args[0], path.Dir(libsDir)+"/actions/") {
			files = append(files, Mount{Target: op.Args[0], Type: "file", Why: p.WhyExtra(i)})
		}
	}
	return files
}

// mountOf describes what an operation mounts in the container, if it does.
func (p *planner) mountOf(op plan.Op) (m Mount, ok bool) {
	a := op.Args
	switch op.Verb {
	case plan.Fuse:
		m = Mount{Target: a[0], Type: "fuse", Source: p.Image.Title(p.Absolute), Flags: "ro,nosuid,nodev"}
	case plan.Mount:
		m = Mount{Target: a[1], Type: a[0], Flags: joinFlags(a[2], a[3])}
	case plan.Bind:
		m = Mount{Target: a[1], Type: "bind", Source: a[0], Flags: a[2]}
	case plan.Overlay:
		m = Mount{Target: a[0], Type: "overlay", Source: p.Image.Title(p.Absolute), Flags: a[4]}
	}
	// What is in the session directory is not seen in the container.
	return m, m.Target != "" && !strings.HasPrefix(m.Target, "@") && !strings.HasPrefix(m.Source, "@")
}

func joinFlags(flags, data string) string { return strings.Trim(flags+","+data, ",") }

// explainIDs tells who the payload is.
func (p *planner) explainIDs(c *Container) []Fact {
	facts := []Fact{
		{"user", fmt.Sprint(p.id.UID), p.id.Why.IDs},
		{"group", fmt.Sprint(p.id.GID), p.id.Why.IDs},
	}
	for _, gid := range p.Facts.Groups {
		if gid == p.Facts.GID {
			continue
		}
		name := p.Facts.GroupNames[gid]
		if name == "" {
			name = "unknown"
		}
		facts = append(facts, Fact{"supplementary group", fmt.Sprintf("%d (%s)", gid, name), "the caller's: it counts for access to files; the kernel shows 65534 where it is not mapped"})
	}
	for _, m := range c.Plan.Clone.UIDs {
		facts = append(facts, Fact{"user id map", mapping(m), p.id.Why.Map})
	}
	for _, m := range c.Plan.Clone.GIDs {
		facts = append(facts, Fact{"group id map", mapping(m), p.id.Why.Map})
	}
	home := "the caller's account"
	switch {
	case p.req.Home != "":
		home = "--home"
	case p.id.UID == 0:
		home = "root's"
	}
	facts = append(facts, Fact{"home directory", p.id.Home, home})
	return append(append(facts, p.namespaceFacts(&c.Plan.Clone)...), p.processFacts(&c.Plan.Process)...)
}

func mapping(m plan.IDMap) string {
	if m.Size == 1 {
		return fmt.Sprintf("%d is %d outside", m.Inside, m.Outside)
	}
	return fmt.Sprintf("%d to %d are %d to %d outside", m.Inside, uint64(m.Inside)+uint64(m.Size)-1, m.Outside, uint64(m.Outside)+uint64(m.Size)-1)
}

// namespaceFacts tells which namespaces are the container's own.
func (p *planner) namespaceFacts(c *plan.Clone) []Fact {
	r := &p.req
	either := func(own bool, yes, no string) (value, why string) {
		if own {
			return "its own", yes
		}
		return "the caller's", no
	}
	var facts []Fact
	add := func(name, value, why string) { facts = append(facts, Fact{name + " namespace", value, why}) }
	value, why := either(c.User, p.id.Why.User, p.id.Why.User)
	add("user", value, why)
	add("mount", "its own", "always")
	value, why = either(c.PID, "the default", "--no-pid")
	add("process", value, why)
	value, why = either(c.IPC, first(r.ContainAll, "--containall", "--ipc"), "the default")
	add("IPC", value, why)
	value, why = either(c.UTS, first(r.Hostname != "", "--hostname", "--uts"), "the default")
	add("host name", value, why)
	value, why = either(c.Net, "--net", "the default")
	add("network", value, why)
	return facts
}

// processFacts tells how the payload is started.
func (p *planner) processFacts(pr *plan.Process) []Fact {
	capabilities, why := p.id.KeepCaps, "root has them"
	switch {
	case capabilities == "":
		capabilities, why = "none", "only root has any"
	case p.id.User:
		why += ", over what its user namespace owns"
	}
	umask, umaskWhy := fmt.Sprintf("%04o", p.Facts.Umask), "the caller's"
	if pr.Umask >= 0 {
		umask, umaskWhy = fmt.Sprintf("%04o", pr.Umask), "--no-umask"
	}
	dir := "the caller's, or the first that exists of home directory and root"
	switch {
	case p.req.Pwd != "":
		dir = "--cwd"
	case p.req.OCIPwd && pr.Dirs[0] == p.Image.WorkDir:
		dir = "--oci-cwd"
	case p.req.contain():
		dir = "--contain: the home directory"
	}
	return []Fact{
		{"capabilities", capabilities, why},
		{"new privileges", "none", "always: set-user-ID programs have no effect"},
		{"umask", umask, umaskWhy},
		{"working directory", pr.Dirs[0], dir},
	}
}

// first returns yes if ok, and else no.
func first(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
