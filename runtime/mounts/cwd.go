package mounts

import (
	"slices"

	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/view"
)

// unboundDirs are working directories that are the image's own matter.
var unboundDirs = []string{"/", "/etc", "/bin", "/mnt", "/usr", "/var", "/opt", "/sbin", "/lib", "/lib64"}

// mountCwd shows the caller's working directory, unless it belongs to the
// system or is visible already. It is a convenience: where no mount point can
// be made for it, the container starts in the home directory.
func (p *Planner) mountCwd() error {
	cwd := p.Facts.Cwd
	if cwd != "" && p.wish.Contain {
		p.LeaveOut(cwd, "--contain")
	}
	if cwd == "" || p.wish.Contain || slices.Contains(unboundDirs, cwd) || !p.Wanted("cwd", cwd) {
		return nil
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if view.Within(cwd, dir) {
			return nil
		}
	}
	if home := p.id.Account.Home; p.wish.NoHome && home != "" && view.Within(home, cwd) {
		return nil // it would show the home directory after all
	}
	if p.Visible(cwd, cwd) || !p.HostIsDir(cwd) {
		return nil
	}
	p.Because("the default: the working directory")
	if err := p.Bind(cwd, cwd, layout.Guarded, false); err != nil {
		p.Note("working directory is not mounted: %v", err)
	}
	return nil
}
