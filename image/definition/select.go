package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Words of Select that are no section's name: all sections, none, and all of
// the applications'.
const (
	selectAll  = "all"
	selectNone = "none"
	selectApps = "apps"
)

// Select returns the recipe with only those sections that are named: by a
// section's name, "apps" for those of all applications, or "all" or "none" alone. Text
// stays whole. Without names it is the same recipe.
func (r *Recipe) Select(names []string) (*Recipe, error) {
	known := slices.Concat(sections, appSections, []string{selectAll, selectNone, selectApps})
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, withKnown(fmt.Errorf("unknown section %q to build", brief(name)), "sections", "", name, known)
		}
		if (name == selectAll || name == selectNone) && len(names) > 1 {
			return nil, hint.New(fmt.Sprintf("section %q together with others", name), "name it alone, or leave it out")
		}
	}
	if len(names) == 0 || slices.Contains(names, selectAll) {
		return r, nil
	}
	selected := *r
	selected.Stages = slices.Clone(r.Stages)
	for i := range selected.Stages {
		s := &selected.Stages[i]
		s.Sections = slices.DeleteFunc(slices.Clone(s.Sections), func(x Section) bool {
			ofApp := slices.Contains(names, selectApps) && strings.HasPrefix(x.Name, "app")
			return !ofApp && !slices.Contains(names, x.Name)
		})
	}
	return &selected, nil
}
