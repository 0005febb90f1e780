package spec

import (
	"io/fs"

	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/starter/plan"
)

// actions shows the action scripts: always in a served image, and in a sandbox
// that lacks them.
func (p *planner) actions() {
	const dir = "/.singularity.d/actions"
	p.Because("what runs in the container, for other programs")
	for _, a := range environ.Actions {
		at, err := p.Tree.Resolve(dir + "/" + a.Name)
		if err != nil || at.Found && !p.Served() || p.InPlace {
			continue
		}
		if at.Found && !at.Mode.IsRegular() {
			continue
		}
		p.Extras = append(p.Extras, plan.Do(plan.Write, at.Path, "0755", a.Text))
		p.Tree.Make(at.Path, fs.FileMode(0o755))
	}
}
