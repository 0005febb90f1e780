package actions

import (
	"context"
	"errors"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/spec"
)

// show prints what is to be known of a container.
func show(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, path string, a *actionFlags) error {
	set, err := openAll(ctx, p, r, facts, path, a)
	if err != nil {
		return errors.Join(err, set.Close()) // it may be there in part
	}
	defer set.Close() // which was only read
	if r.GPU, err = a.devices.Find(ctx, p, facts); err != nil {
		return err
	}
	c, err := compute(r, facts, set)
	if err != nil {
		return err
	}
	text, err := a.show(c)
	if err != nil {
		return err
	}
	return p.Print(text)
}
