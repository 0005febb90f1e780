package actions

import (
	"context"
	"os"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/volume"
)

// Script is a container that somebody else has planned: of a build.
type Script struct {
	// Set is the image and what there is besides, which the container takes over; nil
	// where Layers are the image, the topmost first.
	Set    *volume.Set
	Layers []*squashfs.Reader
	// Trace is told what is read of the image.
	Trace func(file *squashfs.Inode, off, n int64)
	// Output is what the container writes to.
	Output *os.File
}

// Run runs the container; the payload's status is the error ui.ExitStatus, nil for 0.
func (x Script) Run(ctx context.Context, p *ui.Process, c *spec.Container, facts *host.Facts) error {
	s := start{
		Process: p, set: x.Set, layers: x.Layers, trace: x.Trace, job: launch.Job{Stdout: x.Output, Stderr: x.Output},
	}
	s.begin(c.Plan.Clone, facts)
	defer s.close()
	return s.run(ctx, c)
}
