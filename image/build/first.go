package build

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// First returns the place, from 0, of the first step whose layer is made anew
// whatever the cache has. RebuildFrom is its number, counted from 1, or its
// Name, of which a stage may be left out. Without such a step, it is behind
// the last one.
func First(steps []Step, o Options) (int, error) {
	if o.NoCache {
		return 0, nil
	}
	if o.RebuildFrom == "" {
		return len(steps), nil
	}
	if n, err := strconv.Atoi(o.RebuildFrom); err == nil && n >= 1 && n <= len(steps) {
		return n - 1, nil
	}
	i := slices.IndexFunc(steps, func(s Step) bool { return isNamed(s.Name(), o.RebuildFrom) })
	if i < 0 {
		return 0, hint.Wrap(fmt.Errorf("no step %q to rebuild from", o.RebuildFrom),
			"give a number from 1 to %d, or one of %s", len(steps), strings.Join(names(steps), ", "))
	}
	return i, nil
}

func isNamed(name, wanted string) bool {
	return name == wanted || name[strings.LastIndexByte(name, ':')+1:] == wanted
}

// names returns the names of the steps, each once.
func names(steps []Step) []string {
	var list []string
	for _, s := range steps {
		if !slices.Contains(list, s.Name()) {
			list = append(list, s.Name())
		}
	}
	return list
}
