package actions

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/volume"
)

// openAll opens the image at path, and what a request wants besides.
func openAll(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, path string, a *actionFlags) (*volume.Set, error) {
	options := a.imageOptions(facts.MemoryLimit)
	img, err := paths.Open(path, options)
	if err != nil {
		return nil, err
	}
	set, err := volume.NewSet(img, options)
	if err != nil {
		return nil, err
	}
	if err := a.mpi.Inject(p, r, facts, img.FS()); err != nil {
		return set, err
	}
	wants, err := spec.Wants(*r, facts)
	if err == nil && len(wants) > 0 {
		// The rules decide about each of them as about the image.
		options.Name = ""
		options.Hold, err = a.parts.Hold(ctx, p, "", false)
	}
	if err == nil {
		err = set.Add(wants, options)
	}
	if err == nil {
		err = unpack(ctx, p, r, facts, a, set)
	}
	return set, err
}

// unpack has images unpacked that cannot be served: all where there is no FUSE, and
// the container's image where the user wants it.
func unpack(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, a *actionFlags, set *volume.Set) error {
	if facts.NoFuse == nil && !a.unsquash {
		return nil
	}
	temp, chosen, err := a.parts.TempDir(p)
	if err != nil {
		return err
	}
	u := volume.Unpacking{All: facts.NoFuse != nil, Room: facts.Room(), TempDir: temp, Plain: chosen}
	if a.show != nil {
		u.Room = 1 << 62
	}
	u.Told = func(names string, size int64, dir string) {
		why, where := "", "memory"
		if facts.NoFuse != nil {
			why = fmt.Sprintf("/dev/fuse cannot be used (%v): ", facts.NoFuse)
		}
		if dir != "" {
			where = "a directory in " + dir
		}
		p.Info("%sunpacking %s to %s, %s", why, names, where, ui.Bytes(size))
	}
	return ui.Interruptible(ctx, func(ctx context.Context) (err error) {
		r.Unpack, err = set.Unpack(ctx, u)
		return err
	})
}

// compute makes the plan. What it reads of images must all have been what it should
// be: some that cannot be read, such as a list of users, makes another plan.
func compute(r *spec.Request, facts *host.Facts, set *volume.Set) (*spec.Container, error) {
	info := set.Info
	if r.WantsWorkDir() {
		var err error
		if info.WorkDir, err = set.Image.WorkDir(); err != nil {
			return nil, err
		}
	}
	c, err := spec.Compute(*r, facts, info, set.Volumes()...)
	if err != nil {
		return nil, err
	}
	return c, set.Err()
}
