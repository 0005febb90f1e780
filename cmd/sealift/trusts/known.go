package trusts

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
)

// maxAsked bounds how many keys an image makes key servers be asked for.
const maxAsked = 8

// Unanimous returns an error unless the image is signed as a whole, and every signature is
// by an OpenPGP key of a keyring or of the key servers of the remote in use: what
// Apptainer demands of an image that goes to a library.
func Unanimous(ctx context.Context, p *ui.Process, img *sif.Image) (err error) {
	v := verifying{p: p, rings: keys.Usual(p)}
	o := trust.Options{Now: time.Now()}
	if o.Keys, err = v.keyrings(); err != nil {
		return err
	}
	o.Keys = append(o.Keys, v.fetch(ctx, img, o.Keys))
	r, err := trust.Verify(ctx, img, o)
	if err != nil {
		return err
	}
	return r.Unanimous()
}

// keyrings returns the keys in the user's keyring and the site's.
func (v *verifying) keyrings() (list keyring.Rings, err error) {
	user, err := v.rings.Public(v.p)
	if err != nil {
		return nil, err
	}
	for _, f := range []keyring.File{user, keys.Site()} {
		r, err := keys.Read(v.p, f)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// fetch asks the key servers for the keys that signatures name and no ring has.
func (v *verifying) fetch(ctx context.Context, img *sif.Image, known keyring.Rings) *keyring.Ring {
	var wanted []string
	for _, o := range img.Objects() {
		if id := o.Fingerprint(); id != "" && !slices.Contains(wanted, id) {
			if k, _ := known.Find(id); k == nil {
				wanted = append(wanted, id)
			}
		}
	}
	if len(wanted) == 0 {
		return keyring.NewRing()
	}
	if len(wanted) > maxAsked {
		v.p.Warn("the image names %d keys that are not known; key servers are asked for %d", len(wanted), maxAsked)
		wanted = wanted[:maxAsked]
	}
	servers, err := v.servers.Client(ctx, v.p, new(remotes.Flags).Client(v.p))
	if err != nil {
		v.p.Warn("key servers: %v", err)
		return keyring.NewRing()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var found []*keyring.Key
	for _, id := range wanted {
		k, err := servers.Get(ctx, id)
		if err != nil {
			v.p.Warn("key %s: %v", id, err)
			continue
		}
		found = append(found, k)
	}
	return keyring.NewRing(found...)
}
