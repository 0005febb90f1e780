package environ

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sealift/sealift/runtime/shell"
)

// Variable is a variable, its value, and the rule that it follows from: an
// option, a script of the image, or what Sealift does by itself.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"rule"`
}

// Explain returns the payload's variables, and those of the caller that it does
// not get, both sorted by name. With the error shell.ErrNeedsContainer the
// variables are those that the image's scripts find or cannot change; what else
// they set only the container will show.
func (e *Environment) Explain(files shell.Files) (vars, left []Variable, err error) {
	values, err := e.evaluate(files)
	if err != nil {
		values = map[string]variable{}
		for _, list := range [][]variable{e.base, e.caller, e.injected, e.final} {
			for _, v := range list {
				values[v.name] = v
			}
		}
	}
	return explained(slices.Collect(maps.Values(values))), explained(e.left), err
}

// Scripts are the image's environment scripts, in order.
func (e *Environment) Scripts() []string { return e.scripts }

func explained(vars []variable) []Variable {
	list := make([]Variable, len(vars))
	for i, v := range vars {
		list[i] = Variable{v.name, v.value, v.origin}
	}
	slices.SortStableFunc(list, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
