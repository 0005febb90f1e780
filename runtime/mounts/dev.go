package mounts

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/job"
	"github.com/sealift/sealift/runtime/layout"
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
func (p *Planner) mountDev() error {
	switch {
	case !p.Wanted("dev", "/dev"):
		return nil
	case !p.wish.Contain:
		p.Because("the default: the host's devices")
		return p.BindKernel("/dev", "nosuid")
	}
	p.Because("--contain: a minimal /dev")
	if err := p.Tmpfs("/dev", layout.Devices, "0755"); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(deviceNodes), p.sharedDevices()...) {
		dev := "/dev/" + name
		if !p.HostExists(dev) {
			continue
		}
		if err := p.Bind(dev, dev, layout.Devices, false); err != nil {
			return err
		}
	}
	return p.mountDevDirs()
}

// mountShm mounts /dev/shm in a minimal /dev: an empty one, or the host's where
// several tasks of one job are on the node: MPI ranks meet there, and a private one
// for each makes them fail or fall back to the network.
func (p *Planner) mountShm() error {
	switch {
	case !p.Wanted("shm", "/dev/shm"):
		return nil
	case p.HostIsDir("/dev/shm") && job.LocalTasks(p.Facts.Environ) > 1:
		p.Because("several tasks of a job are on this node")
		return p.Bind("/dev/shm", "/dev/shm", layout.Guarded, false)
	}
	p.Because("--contain: an empty one")
	return p.Tmpfs("/dev/shm", layout.Guarded, "1777")
}

// mountDevDirs adds the file systems and links of a minimal /dev.
func (p *Planner) mountDevDirs() error {
	if err := p.mountShm(); err != nil {
		return err
	}
	p.Because("--contain: a minimal /dev")
	if p.Wanted("devpts", "/dev/pts") {
		// No gid=: the tty group is not mapped in a user namespace.
		if err := p.Kernel("devpts", "/dev/pts", layout.Devices, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
			return err
		}
		p.Do(plan.Symlink, "/dev/ptmx", "pts/ptmx")
	}
	if p.wish.IPC {
		if err := p.Kernel("mqueue", "/dev/mqueue", layout.Noexec, ""); err != nil {
			return err
		}
	}
	p.Do(plan.Symlink, "/dev/fd", "/proc/self/fd")
	p.Do(plan.Symlink, "/dev/stdin", "/proc/self/fd/0")
	p.Do(plan.Symlink, "/dev/stdout", "/proc/self/fd/1")
	p.Do(plan.Symlink, "/dev/stderr", "/proc/self/fd/2")
	return nil
}

// sharedDevices lists the names that exist, fabric adapters included.
func (p *Planner) sharedDevices() []string {
	names := slices.Clone(sharedDevices)
	entries, err := fs.ReadDir(p.Facts.Root, view.Relative("/dev"))
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
