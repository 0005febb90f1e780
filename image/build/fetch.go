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
	"github.com/sealift/sealift/image/sandbox"
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
	st := b.stage(s.at)
	var config *metadata.Config
	var err error
	switch s.agent {
	case "scratch":
		st.source = scratch{}
	case "localimage":
		err = s.openLocal(st)
	default:
		config, err = s.openOCI(ctx, st)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", s.at, err)
	}
	st.edit(func(root *tree.Node) error {
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

func (s *fetch) openOCI(ctx context.Context, st *stage) (*metadata.Config, error) {
	img, err := oci.Open(ctx, s.ref, oci.Platform{OS: "linux", Arch: s.arch}, st.b.work.Path())
	if err != nil {
		return nil, err
	}
	st.b.closeLater(img.Close)
	st.source = layers{img, st.b}
	c := img.Config().Config
	var raw struct{ Config json.RawMessage }
	if err := json.Unmarshal(img.RawConfig(), &raw); err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	st.env, st.config, st.base, st.digest = c.Env, raw.Config, s.name, img.Digest()
	return &metadata.Config{Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Labels: c.Labels}, nil
}

func (s *fetch) openLocal(st *stage) error {
	f, err := image.Open(s.path, image.Options{})
	if err != nil {
		return err
	}
	st.b.closeLater(f.Close)
	if a := f.Arch(); a != "" && a != "unknown" && a != s.arch {
		return hint.Wrap(fmt.Errorf("%s is for %s, not %s", s.path, a, s.arch), "start from an image for %s", s.arch)
	}
	st.source = local{f, st.b}
	var c struct{ Env []string }
	if config, err := f.OCIConfig(); err == nil && json.Unmarshal(config, &c) == nil {
		st.config, st.env = config, c.Env
	}
	return nil
}

// scratch is an empty root directory.
type scratch struct{}

func (scratch) tree(context.Context, tree.Store) (*tree.Node, error) { return tree.NewDir(0o755), nil }
func (scratch) streams() bool                                        { return false }

// layers are those of an OCI image, merged while they are read.
type layers struct {
	img *oci.Image
	b   *building
}

func (l layers) streams() bool { return true }

func (l layers) tree(ctx context.Context, store tree.Store) (*tree.Node, error) {
	root, report, err := tree.Merge(ctx, l.img.Layers(), store)
	if err != nil {
		return nil, err
	}
	for _, w := range report.Warnings() {
		l.b.notify("warning: %s", w)
	}
	return root, nil
}

// local is an image or directory of the host.
type local struct {
	f *image.File
	b *building
}

func (local) streams() bool { return false }

func (l local) tree(ctx context.Context, _ tree.Store) (*tree.Node, error) {
	root, err := l.f.Tree(ctx, sandbox.ReadOptions{IDs: l.b.ids})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.f.Path(), err)
	}
	return root, nil
}

// ids maps the caller to root.
func (b *building) ids(uid, gid uint32) (uint32, uint32) {
	if uid == b.UID {
		uid = 0
	}
	if gid == b.GID {
		gid = 0
	}
	return uid, gid
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
