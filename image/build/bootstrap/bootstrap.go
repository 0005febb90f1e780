// Package bootstrap starts the stages of a build: it opens what a stage is made
// from and lays out /.singularity.d in it.
//
// Input: an agent and a source, as the Bootstrap and From headers of a
// definition name them. Output: a step of package build.
package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/distro"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/stage"
	"github.com/sealift/sealift/image/tree"
)

// The agents that a stage can start from, and those that other builders have.
var (
	ociAgents   = oci.Transports()
	sifAgents   = elsewhere.Transports()
	localAgents = []string{"localimage", "scratch"}
	laterAgents = []string{"shub", "buildkit", "dockerfile"}
)

// Source is what a stage starts from.
type Source struct {
	// Agent and From are the headers, Agent in lower case.
	Agent, From string
	// Headers are all headers, by keyword in lower case.
	Headers map[string]string
	// Layered makes a layer of the source, for a stage that does more than to
	// turn it into an image.
	Layered bool
	// Image, if not nil, is the image of an OCI agent, open. It stays so.
	Image *oci.Image
	// Private keeps that layer from other builds: none will start from the same
	// again.
	Private bool
}

// Later tells an agent that cannot be built from yet.
func Later(agent string) bool { return slices.Contains(laterAgents, agent) }

// WithAgents adds to an error what can be built from.
func WithAgents(err error) error {
	return hint.Wrap(err, "use one of the agents %s", strings.Join(slices.Concat(ociAgents, sifAgents, localAgents, distro.Agents()), ", "))
}

// Split returns the agent and the From value of an image's name: TRANSPORT:REST,
// or the path of a SIF file, SquashFS image or directory.
func Split(source string) (agent, from string, err error) {
	agent, from, ok := strings.Cut(source, ":")
	switch {
	case !ok || strings.ContainsRune(agent, '/'):
		return "localimage", source, nil
	case slices.Contains(ociAgents, agent) || slices.Contains(sifAgents, agent):
		return agent, from, nil
	case Later(agent):
		return "", "", WithAgents(fmt.Errorf("build from %s: agent %s is not supported yet", metadata.WithoutUser(source), agent))
	}
	return "localimage", source, nil
}

// fetch opens what a stage starts from and lays out /.singularity.d in it.
type fetch struct {
	Source
	at build.At
	// ref is the image of an OCI agent, path that of localimage.
	ref  oci.Reference
	path string
	// platform is what the build is for.
	platform oci.Platform
}

// New returns the step that starts a stage from an agent which is known and
// not Later.
func New(at build.At, s Source, h build.Host) (build.Step, error) {
	if slices.Contains(distro.Agents(), s.Agent) {
		return newInstall(at, s, h)
	}
	f := &fetch{Source: s, at: at, platform: oci.Platform{OS: "linux", Arch: h.Arch, Variant: h.Variant}}
	switch {
	case s.Agent == "scratch" || elsewhere.Holds(s.Agent):
	case s.Agent == "localimage":
		f.path = h.Absolute(s.From)
	default:
		var err error
		if f.ref, err = oci.ParseReference(f.image()); err != nil {
			return nil, err
		}
		if f.ref.Transport != oci.Docker && f.ref.Transport != oci.DockerDaemon {
			f.ref.Path = h.Absolute(f.ref.Path)
		}
	}
	return f, nil
}

// image names the image of an OCI agent.
func (s *fetch) image() string {
	if s.Agent != oci.Docker {
		return s.Agent + ":" + s.From
	}
	return "docker://" + path.Join(s.Headers["registry"], s.Headers["namespace"], strings.TrimPrefix(s.From, "//"))
}

func (s *fetch) Name() string { return s.at.Step("base") }

func (s *fetch) String() string {
	switch {
	case s.Agent == "scratch":
		return fmt.Sprintf("%v: start from nothing", s.at)
	case s.Agent == "localimage":
		return fmt.Sprintf("%v: start from %s", s.at, s.path)
	case elsewhere.Holds(s.Agent):
		return fmt.Sprintf("%v: start from %s://%s", s.at, s.Agent, metadata.WithoutUser(strings.TrimPrefix(s.From, "//")))
	}
	return fmt.Sprintf("%v: start from %v for %v", s.at, s.ref, s.platform)
}

func (s *fetch) Run(ctx context.Context, b *build.Build) error {
	o, err := s.open(ctx, b)
	if err != nil {
		return fmt.Errorf("%v: %w", s.at, err)
	}
	b.Date(o.created)
	st := b.Start(s.at, o.source)
	st.Arch = s.platform.Arch
	if o.read.Name != "" {
		b.Sources = append(b.Sources, o.read)
	}
	st.Layered, st.Config, st.Env, st.Base, st.Digest = s.Layered, o.raw, o.env, o.name, o.digest
	if err := s.layer(ctx, b, o); err != nil {
		return fmt.Errorf("%v: %w", s.at, err)
	}
	return nil
}

// layer makes a layer of the source with what every image has.
func (s *fetch) layer(ctx context.Context, b *build.Build, o *opened) error {
	edit := func() error {
		b.Stage(s.at).Edit(func(root *tree.Node) error { return layOut(root, o.config, b.Time()) })
		return nil
	}
	if s.Private && s.Layered {
		if err := edit(); err != nil {
			return err
		}
		return b.Keep(ctx, s.at, "base")
	}
	return b.Layer(ctx, s.at, build.Change{Kind: "base", Identify: o.identify, Do: edit})
}

// layOut makes what every image has.
func layOut(root *tree.Node, config *metadata.Config, time int64) error {
	files, err := metadata.FromTree(root)
	if err == nil && config != nil {
		files, err = files.WithConfig(config)
	}
	if err != nil {
		return err
	}
	metadata.Layout(root, time)
	files.Put(root, time)
	return nil
}

// opened is a source that is open.
type opened struct {
	source stage.Source
	// identify adds to a key what the source is.
	identify func(*key.Key) error
	// What is known of an OCI image; see build.Stage. config is what becomes
	// of its configuration.
	config       *metadata.Config
	raw          []byte
	env          []string
	name, digest string
	// created is when the image was made, in seconds since the epoch, 0 where that
	// is not known.
	created int64
	// read is what it is for the provenance.
	read metadata.Source
}

func (s *fetch) open(ctx context.Context, b *build.Build) (*opened, error) {
	switch {
	case s.Agent == "scratch":
		return &opened{source: stage.Scratch{}, identify: func(*key.Key) error { return nil }}, nil
	case s.Agent == "localimage":
		return s.openLocal(ctx, b, s.path, s.path, "")
	case elsewhere.Holds(s.Agent):
		return s.openFile(ctx, b)
	}
	return s.openOCI(ctx, b)
}

// Allowed returns the image to open, or an error if it, which has no signature, is
// not to be used. An image that is here is judged by where it really is, and is to
// be opened there: its path is absolute then, without symbolic links.
func Allowed(e *build.Environment, ref oci.Reference) (oci.Reference, error) {
	if e.Gate == nil {
		return ref, nil
	}
	path, name := "", ""
	if ref.Transport == oci.Docker || ref.Transport == oci.DockerDaemon {
		name = ref.String()
	} else {
		ref.Path = real(e.Host.Absolute(ref.Path))
		path = ref.Path
	}
	if err := e.Gate.Unsigned(path, name); err != nil {
		return ref, fmt.Errorf("%s: %w", ref, err)
	}
	return ref, nil
}

// real returns an absolute path without symbolic links and dots, or only without
// dots if it leads nowhere.
func real(path string) string {
	if is, err := filepath.EvalSymlinks(path); err == nil {
		return is
	}
	return filepath.Clean(path)
}

func (s *fetch) openOCI(ctx context.Context, b *build.Build) (*opened, error) {
	img := s.Image
	if img == nil {
		ref, err := Allowed(&b.Environment, s.ref)
		if err != nil {
			return nil, err
		}
		if img, err = oci.Open(ctx, ref, s.platform, oci.Options{
			TempDir: b.WorkDir(), Daemon: b.Daemon, Registry: b.Registry, Documents: b.Documents(ctx),
		}); err != nil {
			return nil, err
		}
		b.Defer(img.Close)
	}
	c := img.Config().Config
	var raw struct{ Config json.RawMessage }
	if err := json.Unmarshal(img.RawConfig(), &raw); err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	var created int64
	if t := img.Config().Created; t != nil {
		created = t.Unix()
	}
	return &opened{
		created:  created,
		source:   stage.Layers{Image: img, Warn: func(w string) { b.Warning("%s", w) }},
		identify: func(k *key.Key) error { k.String("image", img.Digest()); return nil },
		config:   &metadata.Config{Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Labels: c.Labels},
		raw:      raw.Config, env: c.Env, name: s.image(), digest: img.Digest(),
		read: metadata.Known(s.image(), img.Digest()),
	}, nil
}
