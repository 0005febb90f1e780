package dockerfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

// references returns the names that a command copies from or mounts, in
// order; no name is empty.
func references(command any) ([]string, error) {
	switch c := command.(type) {
	case *instructions.CopyCommand:
		if strings.Contains(c.From, "$") {
			return nil, hint.New(fmt.Sprintf("--from=%s; expected a name, as variables are not filled in here", c.From),
				"define a stage with FROM %s AS name and copy from that", c.From)
		}
		return []string{c.From}, nil
	case *instructions.RunCommand:
		var names []string
		for _, m := range instructions.GetMounts(c) {
			names = append(names, m.From)
		}
		return names, nil
	}
	return nil, nil
}

// origin finds what stage i may copy from: a stage above, by name or number,
// or else an image; without a name, the context.
func (r *Recipe) origin(ref string, i int) (steps.Origin, error) {
	if ref == "" {
		return steps.Origin{Kind: steps.OfContext}, nil
	}
	if n, err := strconv.Atoi(ref); err == nil {
		if n < 0 || n >= i {
			return steps.Origin{}, hint.New(fmt.Sprintf("no stage %d above stage %d", n, i), "%s", r.advice(i))
		}
		return steps.Origin{Kind: steps.OfStage, Stage: n}, nil
	}
	found := -1
	for n, name := range r.names {
		if strings.EqualFold(name, ref) && (found < 0 || n < i) {
			found = n
		}
	}
	switch {
	case found >= i:
		return steps.Origin{}, hint.New(fmt.Sprintf("stage %q is not above; expected an earlier stage or an image", ref), "%s", r.advice(i))
	case found >= 0:
		return steps.Origin{Kind: steps.OfStage, Stage: found}, nil
	case strings.EqualFold(ref, "scratch"):
		return steps.Origin{Kind: steps.OfScratch}, nil
	}
	return steps.Origin{Kind: steps.OfImage, Image: ref}, nil
}

// advice names the stages that stage i may copy from.
func (r *Recipe) advice(i int) string {
	if i == 0 {
		return "move the stage above this one"
	}
	return "choose one of " + r.stageNames(i)
}
