package spec

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// deviceNodes are in every minimal /dev. full(4) is among them: some test
// suites and shells use it.
var deviceNodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

// sharedDevices are shown in a minimal /dev where the host has them: the
// fabrics and copy engines that MPI uses, and FUSE for nested containers.
var sharedDevices = []string{"fuse", "infiniband", "xpmem", "knem"}

// fabricPrefixes begin the names of per-adapter nodes: Omni-Path, Slingshot.
var fabricPrefixes = []string{"hfi1_", "cxi"}

// mountDev shows the host's /dev, or a minimal one under --contain.
func (p *planner) mountDev() error {
	switch {
	case !p.wanted("dev", "/dev"):
		return nil
	case !p.req.contain():
		return p.bindKernel("/dev", "nosuid")
	}
	if err := p.tmpfs("/dev", devices, "0755"); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(deviceNodes), p.sharedDevices()...) {
		dev := "/dev/" + name
		if !p.hostExists(dev) {
			continue
		}
		if err := p.bind(dev, dev, devices, false); err != nil {
			return err
		}
	}
	return p.mountDevDirs()
}

// mountDevDirs adds the file systems and links of a minimal /dev. /dev/shm is
// the host's: MPI ranks on one node meet there, and a private one per container
// makes them fail or fall back to the network.
func (p *planner) mountDevDirs() error {
	if p.hostIsDir("/dev/shm") && p.wanted("shm", "/dev/shm") {
		if err := p.bind("/dev/shm", "/dev/shm", guarded, false); err != nil {
			return err
		}
	}
	if p.wanted("devpts", "/dev/pts") {
		// No gid=: the tty group is not mapped in a user namespace.
		if err := p.kernel("devpts", "/dev/pts", devices, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
			return err
		}
		p.do(plan.Symlink, "/dev/ptmx", "pts/ptmx")
	}
	if clone(p.id, &p.req).IPC {
		if err := p.kernel("mqueue", "/dev/mqueue", noexec, ""); err != nil {
			return err
		}
	}
	p.do(plan.Symlink, "/dev/fd", "/proc/self/fd")
	p.do(plan.Symlink, "/dev/stdin", "/proc/self/fd/0")
	p.do(plan.Symlink, "/dev/stdout", "/proc/self/fd/1")
	p.do(plan.Symlink, "/dev/stderr", "/proc/self/fd/2")
	return nil
}

// sharedDevices lists the names that exist, fabric adapters included.
func (p *planner) sharedDevices() []string {
	names := slices.Clone(sharedDevices)
	entries, err := fs.ReadDir(p.f.Root, view.Relative("/dev"))
	if err != nil {
		return names // each is looked for anyway
	}
	for _, e := range entries {
		for _, prefix := range fabricPrefixes {
			if strings.HasPrefix(e.Name(), prefix) {
				names = append(names, path.Base(e.Name()))
			}
		}
	}
	return names
}
