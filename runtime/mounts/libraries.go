package mounts

import (
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/layout"
)

// libsDir is where programs of the container look for libraries last.
const libsDir = "/.singularity.d/libs"

// mountLibraries shows libraries of the host, SOURCE or SOURCE:NAME, read-only
// under their names.
func (p *Planner) mountLibraries() error {
	p.Because("--containlibs")
	for _, spec := range p.wish.Libraries {
		source, name := cutName(spec)
		source = p.Absolute(source)
		if mode, err := p.HostStat(source); err != nil || !mode.IsRegular() {
			if err == nil {
				return hint.New("--containlibs: "+source+" is not a regular file", "name a library")
			}
			return missingSource("--containlibs", source, err)
		}
		if err := p.Bind(source, path.Join(libsDir, name), layout.ReadOnly, false); err != nil {
			return err
		}
	}
	return nil
}

// cutName parts a library from the name that it is to have, which by default is
// its own.
func cutName(spec string) (source, name string) {
	source, name, given := strings.Cut(spec, ":")
	if !given {
		name = source
	}
	return source, path.Base(name)
}
