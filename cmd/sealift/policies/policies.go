// Package policies finds the rules of which images may be used, and the keys that
// they name.
//
// Input: the files trust.toml of the site and the user, and Apptainer's ecl.toml.
// Output: the Gate that every command which uses images asks. A file that is
// missing has no rules; one that cannot be read, that others may change, or that
// says what is not understood lets no image be used.
package policies

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
)

// maxFile bounds a file in bytes.
const maxFile = 4 << 20

// Open returns what the rules allow, nil where there are none. With anew, images that have
// to be read whole are, whatever is remembered of them, and nothing is.
func Open(p *ui.Process, anew bool) (image.Gate, error) {
	o, err := openFor(p, anew)
	if o == nil {
		return nil, err
	}
	return o.Gate, err
}

func openFor(p *ui.Process, anew bool) (*opened, error) {
	o, err := open(p, rulefiles.Of(p), uint32(os.Getuid()))
	if o != nil {
		remembering(p, o.Gate, anew)
	}
	return o, err
}

// Hold returns what decides about an image by the rules, by the name that it has
// elsewhere if that is not empty. With always, every image is held against its hash
// tree, also where no rule demands it. One that was made of an OCI image was judged
// by that image when it was got, and is not again. Anew is Open's. What is allowed of files
// here is remembered for package verdicts, unless it is asked anew.
func Hold(ctx context.Context, p *ui.Process, name string, always, anew bool) (image.Hold, error) {
	var r *recorder
	if name == "" && !anew && rulefiles.Of(p).Any() {
		r = record(p) // what rules and keys are before they are read
	}
	o, err := openFor(p, anew)
	if err != nil {
		return nil, err
	}
	var byRules image.Hold
	transport, _, ok := strings.Cut(name, ":")
	switch {
	case r != nil:
		byRules = interruptible(ctx, r.decider(o))
	case o != nil && (!ok || !slices.Contains(oci.Transports(), transport)):
		byRules = interruptible(ctx, func(ctx context.Context, f *os.File, img *sif.Image) (*merkle.Reader, error) {
			return o.Hold(ctx, name)(f, img)
		})
	}
	if always {
		return image.Always(byRules), nil
	}
	return byRules, nil
}

// decider decides about an open image, as image.Hold does.
type decider func(ctx context.Context, f *os.File, img *sif.Image) (*merkle.Reader, error)

// interruptible returns what decides about images. What it reads takes its time, which the
// signals that end a program end.
func interruptible(ctx context.Context, decide decider) image.Hold {
	return func(f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
		err = ui.Interruptible(ctx, func(ctx context.Context) (err error) {
			r, err = decide(ctx, f, img)
			return err
		})
		return r, err
	}
}

// rings returns the keys that the user and the site trust; odd is that there was something to
// say of them.
func rings(p *ui.Process) (list keyring.Rings, odd bool, err error) {
	r := keys.Usual(p)
	own, err := r.Public(p)
	if err != nil {
		return nil, false, err
	}
	for _, f := range []keyring.File{own, keys.Site()} {
		ring, err := keys.Read(p, f)
		if err != nil {
			return nil, false, err
		}
		list, odd = append(list, ring), odd || len(ring.Problems()) > 0
	}
	return list, odd, nil
}
