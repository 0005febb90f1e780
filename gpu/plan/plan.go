// Package plan decides what of a machine's devices and drivers a container gets, and
// where: device nodes, files, links, the cache of the dynamic linker, and variables.
//
// Input: specifications of CDI with the names of devices in them, the caller's
// environment, and two file systems: the host's, of which the files that
// specifications name are looked at, and the image's, which is not trusted. Output: a
// Plan of plain values. It is pure and changes nothing. Hooks of NVIDIA's, which are
// programs for other runtimes, are not run: what they would do is in the plan.
package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/request"
)

// Source is a specification and what is wanted of it.
type Source struct {
	Spec *specs.Spec
	// Names are devices of Spec. None are what all devices have in common.
	Names []string
	// From says where the specification is from, for messages.
	From string
	// Explicit says that the user named the devices: their nodes have to be there.
	Explicit bool
	// GPUs are all that the caller can use, the chosen ones among them, in NVIDIA's
	// order; empty where Spec is not of NVIDIA's GPUs.
	GPUs []GPU
	// Libraries are what is known of libraries of Spec; nil is nothing.
	Libraries Facts
}

// Inputs is what a plan follows from.
type Inputs struct {
	Sources []Source
	// NVIDIA says which parts of its driver are wanted; nil is all.
	NVIDIA *request.NVIDIA
	// Hides says that the container has only those device nodes that are planned.
	Hides bool
	// Environ is the caller's environment, NAME=value.
	Environ []string
	// UID is the caller. Libraries are the caller's own, or root's.
	UID uint32
	// Arch is the architecture of the machine, by Go's name.
	Arch string
	// Host and Image are file trees, rooted at /. Image is nil for an empty one.
	Host, Image fs.FS
}

// Bind is a file of the host and where it is in the container.
type Bind struct {
	Source, Target   string
	ReadOnly, NoExec bool
	// Needed says that the container is not to start without this device.
	Needed bool
	// Linkable says that a link may stand for it: it is a shared library, and Source
	// no link, which might lead to where the container has something else.
	Linkable bool
}

// Link is a symbolic link of the container.
type Link struct{ Path, Text string }

// File is a file of the container with its content.
type File struct{ Path, Content string }

// Plan is what the container gets.
type Plan struct {
	Devices []Bind
	Binds   []Bind
	Links   []Link
	Files   []File
	// Env are NAME=value.
	Env []string
	// Notes are remarks for the user, one line each.
	Notes []string

	driver installed // for Unmet
}

// Variables are Env; those of nil are none.
func (p *Plan) Variables() []string {
	if p == nil {
		return nil
	}
	return p.Env
}

// Joining is what of a plan holds for programs that join its container later; nil for nil.
func (p *Plan) Joining() *Plan {
	if p == nil {
		return nil
	}
	return &Plan{Env: p.Env}
}

// planner collects a plan.
type planner struct {
	Inputs
	Plan
	libc    *libc
	libs    []candidate
	folders []string // that the dynamic linker is to look in
	compat  string   // the driver's version, if the image's own libraries may be used
	profile bool     // an application profile is wanted
}

// Compute returns the plan.
func Compute(in Inputs) (*Plan, error) {
	p := &planner{Inputs: in}
	var links []Link
	for _, source := range in.Sources {
		edits, err := source.edits()
		if err != nil {
			return nil, err
		}
		for i := range edits {
			if err := p.add(&edits[i], source.Explicit); err != nil {
				return nil, fmt.Errorf("%s: %w", source.From, err)
			}
			links = append(links, p.hooks(edits[i].Hooks)...)
		}
	}
	p.libraries()
	p.linker(links)
	p.visible()
	if slices.ContainsFunc(in.Sources, func(s Source) bool { return s.GPUs != nil }) {
		p.driver.host, p.driver.version = in.Host, p.compat
	}
	return &p.Plan, nil
}

// edits are those for all devices of a specification, and those of each that is
// wanted.
func (s *Source) edits() ([]specs.ContainerEdits, error) {
	edits := []specs.ContainerEdits{s.Spec.ContainerEdits}
	for _, name := range s.Names {
		i := slices.IndexFunc(s.Spec.Devices, func(d specs.Device) bool { return d.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s has no device %s=%s", s.From, s.Spec.Kind, name)
		}
		edits = append(edits, s.Spec.Devices[i].ContainerEdits)
	}
	return edits, nil
}

// add takes over what edits say of nodes, files and variables.
func (p *planner) add(e *specs.ContainerEdits, needed bool) error {
	for _, n := range e.DeviceNodes {
		source := n.HostPath
		if source == "" {
			source = n.Path
		}
		if !absolute(source) || !absolute(n.Path) {
			return fmt.Errorf("device node %q is not an absolute path", n.Path)
		}
		b := Bind{Source: source, Target: path.Clean(n.Path), Needed: needed}
		if !slices.ContainsFunc(p.Devices, func(d Bind) bool { return d.Target == b.Target }) {
			p.Devices = append(p.Devices, b)
		}
	}
	for _, m := range e.Mounts {
		if !absolute(m.HostPath) || !absolute(m.ContainerPath) {
			return fmt.Errorf("mount of %q on %q: not an absolute path", m.HostPath, m.ContainerPath)
		}
		p.mount(m)
	}
	for _, v := range e.Env {
		// The one is what the generator knows, the other is for tools that would add
		// devices a second time.
		if name, _, _ := strings.Cut(v, "="); name != "NVIDIA_CTK_LIBCUDA_DIR" && name != "NVIDIA_VISIBLE_DEVICES" {
			p.Env = append(p.Env, v)
		}
	}
	if len(e.AdditionalGIDs) > 0 {
		p.note("groups that a specification wants are those of the caller only")
	}
	if len(e.NetDevices) > 0 || e.IntelRdt != nil {
		p.note("network devices and cache allocation of a specification are left out")
	}
	return nil
}

// mount takes a file or a directory of the host, unless it is of no use: firmware is
// the kernel's matter.
func (p *planner) mount(m *specs.Mount) {
	target := path.Clean(m.ContainerPath)
	known := slices.ContainsFunc(p.Binds, func(b Bind) bool { return b.Target == target }) ||
		slices.ContainsFunc(p.libs, func(c candidate) bool { return c.Target == target })
	if known || strings.HasPrefix(target, "/lib/firmware/") || !p.wants(target) {
		return
	}
	b := Bind{
		Source: path.Clean(m.HostPath), Target: target,
		ReadOnly: slices.Contains(m.Options, "ro"), NoExec: slices.Contains(m.Options, "noexec"),
	}
	if isLibrary(path.Base(target)) {
		p.libs = append(p.libs, candidate{Bind: b})
		return
	}
	p.Binds = append(p.Binds, b)
}

// isLibrary says whether a file is one that the dynamic linker finds.
func isLibrary(base string) bool {
	return strings.HasPrefix(base, "lib") && (strings.HasSuffix(base, ".so") || strings.Contains(base, ".so."))
}

func (p *planner) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.Notes, text) {
		p.Notes = append(p.Notes, text)
	}
}

// absolute refuses also what could be mistaken for more than one path.
func absolute(name string) bool { return path.IsAbs(name) && strings.IndexByte(name, 0) < 0 }

// relative is the name that io/fs uses for an absolute path.
func relative(name string) string {
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}
