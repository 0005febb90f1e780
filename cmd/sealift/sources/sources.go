// Package sources is the parts of the program that few containers need: registries and
// libraries that images are got from, the rules of which may be used, and the keys of
// encrypted ones.
//
// Input: their flags. Output: actions.Parts.
package sources

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/gpus"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/pulls"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/cdifile"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/pull"
)

// parts are those of one command.
type parts struct {
	pulls pulls.Flags
	keys  cryptkeys.Flags
}

// New returns the parts for one command.
func New() actions.Parts { return new(parts) }

// AddFlags is of actions.Parts.
func (a *parts) AddFlags(flags *pflag.FlagSet) {
	a.pulls.Add(flags)
	a.keys.Add(flags)
}

// Help is of actions.Parts.
func (*parts) Help() string { return cryptkeys.Help }

// Get is of actions.Parts.
func (a *parts) Get(ctx context.Context, p *ui.Process, name string) (*actions.Got, error) {
	if !pull.IsRemote(name) {
		return nil, nil
	}
	img, err := a.pulls.Open(ctx, p, name)
	if err != nil {
		return nil, err
	}
	return &actions.Got{Path: img.Path(), Title: pull.Title(name), Source: img.Name, Close: img.Close}, nil
}

// Hold is of actions.Parts.
func (a *parts) Hold(ctx context.Context, p *ui.Process, source string, always bool) (image.Hold, error) {
	return policies.Hold(ctx, p, source, always, a.pulls.DisableCache)
}

// Key is of actions.Parts.
func (a *parts) Key(ctx context.Context, p *ui.Process) (key func() (*crypt.Key, error), named bool) {
	return a.keys.Keys(ctx, p, false).Key, a.keys.Given() || cryptkeys.Named(p)
}

// TempDir is of actions.Parts.
func (a *parts) TempDir(p *ui.Process) (dir string, chosen bool, err error) {
	return p.TempDir(a.pulls.Temp), a.pulls.Temp != "", nil
}

// CDI is of actions.Parts.
func (*parts) CDI(dirs []string, _ bool) (gpus.CDI, error) { return cdifile.Read(dirs) }

// Ready is of actions.Parts.
func (*parts) Ready() {}
