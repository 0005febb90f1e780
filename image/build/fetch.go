package build

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/stage"
	"github.com/sealift/sealift/image/tree"
)

// fetch opens what a stage starts from and lays out /.singularity.d in it.
type fetch struct {
	at    stageRef
	agent string
	// name is the agent and From header as written.
	name string
	// ref is the image of an OCI agent, path that of localimage.
	ref  oci.Reference
	path string
	arch string
}

func (s *fetch) String() string {
	switch s.agent {
	case "scratch":
		return fmt.Sprintf("%v: start from nothing", s.at)
	case "localimage":
		return fmt.Sprintf("%v: start from %s", s.at, s.path)
	}
	return fmt.Sprintf("%v: start from %v for linux/%s", s.at, s.ref, s.arch)
}

func (s *fetch) run(ctx context.Context, b *building) error {
	st := b.state(s.at)
	var source stage.Source = stage.Scratch{}
	var config *metadata.Config
	var err error
	switch s.agent {
	case "scratch":
	case "localimage":
		source, err = s.openLocal(b, st)
	default:
		source, config, err = s.openOCI(ctx, b, st)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", s.at, err)
	}
	st.Stage = stage.New(b.setting(), source)
	st.Edit(func(root *tree.Node) error {
		files, err := metadata.FromTree(root)
		if err == nil && config != nil {
			files, err = files.WithConfig(config)
		}
		if err != nil {
			return err
		}
		metadata.Layout(root, b.time())
		files.Put(root, b.time())
		return nil
	})
	return nil
}

func (s *fetch) openOCI(ctx context.Context, b *building, st *state) (stage.Source, *metadata.Config, error) {
	img, err := oci.Open(ctx, s.ref, oci.Platform{OS: "linux", Arch: s.arch}, b.work.Path())
	if err != nil {
		return nil, nil, err
	}
	b.closeLater(img.Close)
	c := img.Config().Config
	var raw struct{ Config json.RawMessage }
	if err := json.Unmarshal(img.RawConfig(), &raw); err != nil {
		return nil, nil, fmt.Errorf("image configuration: %w", err)
	}
	st.env, st.config, st.base, st.digest = c.Env, raw.Config, s.name, img.Digest()
	source := stage.Layers{Image: img, Warn: func(w string) { b.notify("warning: %s", w) }}
	return source, &metadata.Config{Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Labels: c.Labels}, nil
}

func (s *fetch) openLocal(b *building, st *state) (stage.Source, error) {
	f, err := image.Open(s.path, image.Options{})
	if err != nil {
		return nil, err
	}
	b.closeLater(f.Close)
	if a := f.Arch(); a != "" && a != "unknown" && a != s.arch {
		return nil, hint.Wrap(fmt.Errorf("%s is for %s, not %s", s.path, a, s.arch), "start from an image for %s", s.arch)
	}
	var c struct{ Env []string }
	if config, err := f.OCIConfig(); err == nil && json.Unmarshal(config, &c) == nil {
		st.config, st.env = config, c.Env
	}
	return stage.Local{File: f, IDs: b.setting().IDs}, nil
}

// splitSource returns the agent and the From value of a source.
func splitSource(source string) (agent, from string, err error) {
	agent, from, ok := strings.Cut(source, ":")
	switch {
	case !ok || strings.ContainsRune(agent, '/'):
		return "localimage", source, nil
	case slices.Contains(ociAgents, agent):
		return agent, from, nil
	case slices.Contains(laterAgents, agent):
		return "", "", withAgents(fmt.Errorf("build from %s: agent %s is not supported yet", metadata.WithoutUser(source), agent))
	}
	return "localimage", source, nil
}
