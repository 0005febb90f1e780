package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// describe writes the metadata of a stage.
type describe struct {
	at   stageRef
	host Host
	spec metadata.Spec
	// headers are those of the stage by keyword, without credentials.
	headers map[string]string
}

func (s *describe) String() string {
	return fmt.Sprintf("%v: write metadata", s.at)
}

func (s *describe) run(_ context.Context, b *building) error {
	st := b.stage(s.at)
	auto := metadata.Origin{
		Time: b.Now, Arch: s.host.Arch, Version: s.host.Version, Headers: s.headers,
		HasHelp: s.spec.Help != "", Base: st.base, Digest: st.digest,
	}.Labels()
	st.edit(func(root *tree.Node) error {
		spec := s.spec
		spec.Auto = auto
		more, err := postLabels(root)
		if err != nil {
			return err
		}
		spec.Labels = maps.Clone(spec.Labels)
		maps.Copy(spec.Labels, more)
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

// postLabels takes the file out of root that %post may have written labels to.
func postLabels(root *tree.Node) (map[string]string, error) {
	name := strings.TrimPrefix(metadata.LabelsInput, "/")
	n := root.Entries[name]
	delete(root.Entries, name)
	if n == nil || n.Type() != tree.TypeRegular || n.Content == nil {
		return nil, nil
	}
	o, ok := n.Content.(tree.Opener)
	if !ok {
		return nil, metadata.ErrUnreadable
	}
	if n.Size() > definition.MaxSize {
		return nil, fmt.Errorf("%s has %d bytes; expected at most %d", metadata.LabelsInput, n.Size(), definition.MaxSize)
	}
	r, err := o.Open()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	labels := map[string]string{}
	for _, l := range (definition.Section{Body: string(text)}).Labels() {
		labels[l.Key] = l.Value
	}
	return labels, nil
}
