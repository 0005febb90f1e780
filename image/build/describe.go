package build

import (
	"context"
	"fmt"
	"maps"

	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// describe writes the metadata of a stage.
type describe struct {
	at   stageRef
	host Host
	spec metadata.Spec
	// headers are those of the stage by keyword, as written.
	headers map[string]string
}

func (s *describe) String() string {
	return fmt.Sprintf("%v: write metadata", s.at)
}

func (s *describe) run(_ context.Context, b *building) error {
	st := b.state(s.at)
	auto := metadata.Origin{
		Time: b.Now, Arch: s.host.Arch, Version: s.host.Version, Headers: s.headers,
		HasHelp: s.spec.Help != "", Base: st.base, Digest: st.digest,
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
		files.Put(root, b.time())
		return nil
	})
	return nil
}
