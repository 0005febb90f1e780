package mounts

import (
	"io/fs"
	"path"

	"github.com/sealift/sealift/runtime/view"
)

// shareResolver shows the host's resolv.conf by the directory that it is in, where it
// is a link to one below /run: who manages such a file replaces it, and a container
// that sees the file as it was would ask name servers of yesterday. It is false where
// the file itself has to do.
func (p *Planner) shareResolver(name, flags string) bool {
	target, err := fs.ReadLink(p.Facts.Root, view.Relative(name))
	if err != nil {
		return false
	}
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(name), target)
	}
	dir := path.Dir(target)
	if dir == "/run" || !view.Within(dir, "/run") || !p.HostIsDir(dir) || !p.Linkable(name) {
		return false
	}
	if err := p.Bind(dir, dir, flags, false); err != nil {
		return false
	}
	p.Link(name, target)
	return true
}
