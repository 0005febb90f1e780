package fromdef

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/scif"
	"github.com/sealift/sealift/image/tree"
)

// apps adds the steps that make the applications of a stage, all but what
// %appinstall does: that is the end of %post.
func (c *computer) apps(s *definition.Stage, at build.At) error {
	apps, err := c.recipe.Apps(s)
	if err != nil || len(apps) == 0 {
		return err
	}
	c.add(&makeApps{at, apps})
	for _, a := range apps {
		for _, f := range a.Files {
			c.add(&copyFiles{at: at, from: build.OnHost, app: a.Name, recipe: c.recipe.Name, Copy: f})
		}
	}
	return nil
}

// makeApps writes what the recipe says of the applications.
type makeApps struct {
	at   build.At
	apps []definition.App
}

func (s *makeApps) String() string {
	names := make([]string, len(s.apps))
	for i, a := range s.apps {
		names[i] = a.Name
	}
	return fmt.Sprintf("%v: make the applications %s", s.at, strings.Join(names, ", "))
}

func (s *makeApps) Name() string { return s.at.Step("apps") }

func (s *makeApps) Run(ctx context.Context, b *build.Build) error {
	return b.Layer(ctx, s.at, build.Change{
		Kind: "apps",
		Identify: func(k *key.Key) error {
			for _, a := range s.apps {
				k.String(a.Name, a.Text)
			}
			return nil
		},
		Do: func() error {
			b.Stage(s.at).Edit(func(root *tree.Node) error { return scif.Put(root, s.apps, b.Time()) })
			return nil
		},
	})
}
