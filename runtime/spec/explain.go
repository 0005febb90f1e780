package spec

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
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
		case i < root && m.Target == "/":
			m.Source, m.Why = p.Image.Title(p.Absolute), p.whyRoot()
		case i < root:
			continue
		default:
			m.Why = p.Why(i - root)
		}
		mounts = append(mounts, m)
		if m.Target == "/" {
			mounts = append(mounts, p.madeFiles()...)
		}
	}
	return mounts
}

// whyRoot says what the root file system is put together from.
func (p *planner) whyRoot() string {
	r, why := &p.req, "the image"
	if len(r.Overlays) > 0 {
		why += ", --overlay"
	}
	switch {
	case r.Writable:
		why += ", --writable"
	case r.WritableTmpfs:
		why += ", --writable-tmpfs"
	case r.tmpfsAtLeast:
		why += ", --compat"
	}
	return why
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

// mountOf describes what an operation mounts in the container, if it does: what is
// in the session directory only is not seen there.
func (p *planner) mountOf(op plan.Op) (m Mount, ok bool) {
	a := op.Args
	switch op.Verb {
	case plan.Fuse:
		m = Mount{Target: a[0], Type: "fuse", Flags: "ro,nosuid,nodev"}
		if slices.Contains(strings.Split(a[1], ","), "rw") {
			m.Flags = "nosuid,nodev"
		}
	case plan.Mount:
		m = Mount{Target: a[1], Type: a[0], Flags: strings.Trim(a[2]+","+a[3], ",")}
	case plan.Bind:
		m = Mount{Target: a[1], Type: "bind", Source: p.sourceOf(a[0]), Flags: mountFlags(a[2])}
	case plan.Overlay:
		m = Mount{Target: a[0], Type: "overlay", Flags: mountFlags(a[4])}
	}
	return m, m.Target != "" && !strings.HasPrefix(m.Target, "@")
}

// mountFlags returns those of flags that the kernel knows.
func mountFlags(flags string) string {
	words := slices.DeleteFunc(strings.Split(flags, ","), func(w string) bool {
		return !slices.Contains([]string{"ro", "nosuid", "nodev", "noexec"}, w)
	})
	return strings.Join(words, ",")
}

// sourceOf names what is bound to somebody who does not know of the session.
func (p *planner) sourceOf(source string) string {
	inSession, ok := strings.CutPrefix(source, "@")
	if !ok {
		return source
	}
	dir, rest, _ := strings.Cut(inSession, "/")
	switch dir {
	case "workdir":
		return path.Join(p.Absolute(p.req.Workdir), rest)
	case "volumes":
		number, part, _ := strings.Cut(rest, "/")
		if n, err := strconv.Atoi(number); err == nil && n < len(p.Volumes) {
			return p.Volumes[n].Path + ":/" + part
		}
	}
	return ""
}

// explainIDs tells who the payload is.
func (p *planner) explainIDs(c *Container) []Fact {
	uid, gid := p.id.Inside()
	facts := []Fact{{"user", fmt.Sprint(uid), p.id.Why.IDs}, {"group", fmt.Sprint(gid), p.id.Why.IDs}}
	groups, why := p.Facts.Groups, "the caller's: it counts for access to files; the kernel shows 65534 where it is not mapped"
	if p.id.Payload != nil {
		groups, why = p.id.Payload.Groups, p.id.Why.IDs
	}
	for _, g := range groups {
		if g != p.Facts.GID && g != gid {
			facts = append(facts, Fact{"supplementary group", fmt.Sprintf("%d (%s)", g, cmp.Or(p.Facts.GroupNames[g], "unknown")), why})
		}
	}
	for _, m := range c.Plan.Clone.UIDs {
		facts = append(facts, Fact{"user id map", mapping(m), p.id.Why.Map})
	}
	for _, m := range c.Plan.Clone.GIDs {
		facts = append(facts, Fact{"group id map", mapping(m), p.id.Why.Map})
	}
	home := p.id.Why.Home
	if p.req.Home != "" {
		home = "--home"
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
	of := func(name string, own bool, yes, no string) Fact {
		if own {
			return Fact{name + " namespace", "its own", yes}
		}
		return Fact{name + " namespace", "the caller's", no}
	}
	network := of("network", c.Net, "--net or --network", "the default")
	if c.NetPath != "" {
		network.Value, network.Why = "that of "+c.NetPath, "--netns-path"
	}
	return []Fact{
		of("user", c.User, p.id.Why.User, p.id.Why.User),
		of("mount", c.Mount, "always", ""),
		of("process", c.PID, "the default", "--no-pid"),
		of("IPC", c.IPC, first(r.ContainAll, "--containall", "--ipc"), "the default"),
		of("host name", c.UTS, first(r.Hostname != "", "--hostname", "--uts"), "the default"),
		network,
	}
}

// processFacts tells how the payload is started.
func (p *planner) processFacts(pr *plan.Process) []Fact {
	umask, umaskWhy := p.Facts.Umask, "the caller's"
	if pr.Umask >= 0 {
		umask, umaskWhy = pr.Umask, "--no-umask"
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
	privileges := Fact{"new privileges", "none", "always: set-user-ID programs have no effect"}
	if p.id.Setuid {
		privileges = Fact{"new privileges", "of set-user-ID programs", "--allow-setuid"}
	}
	return []Fact{
		{"capabilities", cmp.Or(p.id.KeepCaps, "none"), p.id.Why.Caps}, privileges,
		{"umask", fmt.Sprintf("%04o", umask), umaskWhy}, {"working directory", pr.Dirs[0], dir},
	}
}

// first returns yes if ok, and else no.
func first(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
