package build

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/stage"
)

// At names a stage in steps. The zero value is the first stage.
type At struct {
	// Index counts stages from 0; that of the host is -1.
	Index int
	// Label is the stage's name, empty for none.
	Label string
}

// OnHost is no stage but the host.
var OnHost = At{Index: -1}

// String names the stage.
func (a At) String() string {
	switch {
	case a.Index < 0:
		return "the host"
	case a.Label == "":
		return fmt.Sprintf("stage %d", a.Index+1)
	}
	return "stage " + a.Label
}

// Step returns the Name of a step of the stage.
func (a At) Step(section string) string {
	if a.Label == "" {
		return section
	}
	return a.Label + ":" + section
}

// Stage is what a stage of the recipe is so far.
type Stage struct {
	*stage.Stage
	// Layered is set for a stage that becomes a layer with every step that
	// changes it; others are changed on their way into the image.
	Layered bool
	// Arch is the Go name of the architecture that the stage is for.
	Arch string
	// Key is the digest of all that the layers depend on.
	Key key.Digest
	// Config is the configuration of the OCI image that the stage starts from,
	// or that its local image was made of: what config.md of the OCI image
	// format has under "config", as JSON. Env is its environment.
	Config []byte
	Env    []string
	// Base names an OCI image as the recipe does, Digest is its manifest's.
	Base, Digest string
}

// Stage returns a stage, which Start begins.
func (b *Build) Stage(at At) *Stage {
	for len(b.stages) <= at.Index {
		b.stages = append(b.stages, &Stage{})
	}
	return b.stages[at.Index]
}

// Start begins a stage with a source.
func (b *Build) Start(at At, source stage.Source) *Stage {
	s := b.Stage(at)
	s.Stage, s.Key = stage.New(b.setting(), source), b.start()
	return s
}

// Derive begins a stage with what another one, which is Layered, is now.
func (b *Build) Derive(ctx context.Context, at, from At) (*Stage, error) {
	s, parent := b.Stage(at), b.Stage(from)
	derived, err := parent.Stage.Derive(ctx)
	if err != nil {
		return nil, err
	}
	*s = *parent
	s.Stage = derived
	return s, nil
}

// IDs maps the caller to root.
func (b *Build) IDs(uid, gid uint32) (uint32, uint32) { return b.setting().IDs(uid, gid) }

// setting is what all stages have in common.
func (b *Build) setting() *stage.Setting {
	s := &stage.Setting{
		Writer: b.writerOptions(), Latest: -1, UID: b.UID, GID: b.GID, File: b.NewFile, Dir: b.NewDir,
		Explain: b.explain,
	}
	if b.Options.Reproducible {
		s.Latest = b.Time() // what scripts wrote is as old as the build
	}
	return s
}

// explain adds where a full file system is to an error of writing there.
func (b *Build) explain(err error) error {
	before := hint.Of(err)
	err = output.Explain(err, b.work.Path())
	if remedy := hint.Of(err); remedy != before {
		return hint.Wrap(err, "%s; --tmpdir names the directory for temporary files", remedy)
	}
	return err
}

// writerOptions are the same for every image of the build, so that blocks can
// be copied from one to another as they are. The time is that of a layer or
// image.
func (b *Build) writerOptions() writer.Options {
	return writer.Options{Codec: b.Options.Codec, BlockSize: b.Options.BlockSize, Workers: b.Options.Workers, ModTime: b.Time()}
}
