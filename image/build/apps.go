package build

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/scif"
	"github.com/sealift/sealift/image/tree"
)

// apps adds the steps that make the applications of a stage, all but what
// %appinstall does: that is the end of %post.
func (c *computer) apps(s *definition.Stage, at stageRef) error {
	apps, err := c.recipe.Apps(s)
	if err != nil || len(apps) == 0 {
		return err
	}
	c.add(&makeApps{at, apps})
	for _, a := range apps {
		for _, f := range a.Files {
			c.add(&copyFiles{at: at, from: stageRef{index: -1}, app: a.Name, recipe: c.recipe.Name, Copy: f})
		}
	}
	return nil
}

// makeApps writes what the recipe says of the applications.
type makeApps struct {
	at   stageRef
	apps []definition.App
}

func (s *makeApps) String() string {
	names := make([]string, len(s.apps))
	for i, a := range s.apps {
		names[i] = a.Name
	}
	return fmt.Sprintf("%v: make the applications %s", s.at, strings.Join(names, ", "))
}

func (s *makeApps) run(_ context.Context, b *building) error {
	b.state(s.at).Edit(func(root *tree.Node) error { return scif.Put(root, s.apps, b.time()) })
	return nil
}
