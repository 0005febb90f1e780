package build

import (
	"fmt"

	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/stage"
)

// stageRef names a stage in steps; an index of -1 is the host.
type stageRef struct {
	index int
	name  string
}

func (s stageRef) String() string {
	switch {
	case s.index < 0:
		return "the host"
	case s.name == "":
		return fmt.Sprintf("stage %d", s.index+1)
	}
	return "stage " + s.name
}

// state is what a stage of the recipe is so far.
type state struct {
	*stage.Stage
	// config is the configuration of the OCI image that the stage starts from,
	// or that its local image was made of: what config.md of the OCI image
	// format has under "config", as JSON. env is its environment, digest the
	// manifest's digest.
	env    []string
	config []byte
	base   string
	digest string
}

// state returns the state of a stage, which its first step makes.
func (b *building) state(at stageRef) *state {
	for len(b.states) <= at.index {
		b.states = append(b.states, &state{})
	}
	return b.states[at.index]
}

// setting is what all stages have in common.
func (b *building) setting() *stage.Setting {
	s := &stage.Setting{
		Writer: b.writerOptions(), Latest: -1, UID: b.UID, GID: b.GID, File: b.workFile, Dir: b.workDir,
		Explain: func(err error) error { return output.Explain(err, b.work.Path()) },
	}
	if b.options.Reproducible {
		s.Latest = b.time() // what scripts wrote is as old as the build
	}
	return s
}

// writerOptions are the same for every image of the build, so that blocks can
// be copied from one to another as they are.
func (b *building) writerOptions() writer.Options {
	return writer.Options{Codec: b.options.Codec, BlockSize: b.options.BlockSize, ModTime: b.time()}
}
