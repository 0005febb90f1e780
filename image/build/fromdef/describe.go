package fromdef

import (
	"context"
	"fmt"
	"maps"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// describe writes the metadata of a stage.
type describe struct {
	at   build.At
	spec metadata.Spec
	// headers are those of the stage by keyword, as written.
	headers map[string]string
}

func (s *describe) Name() string { return s.at.Step("metadata") }

func (s *describe) String() string {
	return fmt.Sprintf("%v: write metadata", s.at)
}

func (s *describe) Run(_ context.Context, b *build.Build) error {
	st := b.Stage(s.at)
	auto := metadata.Origin{
		Time: b.Now, Arch: b.Host.Arch, Version: b.Host.Version, Headers: s.headers,
		HasHelp: s.spec.Help != "", Base: st.Base, Digest: st.Digest,
	}.Labels()
	st.Edit(func(root *tree.Node) error {
		spec := s.spec
		spec.Auto = auto
		written, err := metadata.TakeLabels(root)
		if err != nil {
			return err
		}
		spec.Labels = maps.Clone(spec.Labels)
		for _, l := range (definition.Section{Body: written}).Labels() {
			spec.Labels[l.Key] = l.Value
		}
		files, err := metadata.FromTree(root)
		if err != nil {
			return err
		}
		if files, err = files.Apply(spec); err != nil {
			return err
		}
		files.Put(root, b.Time())
		return nil
	})
	return nil
}
