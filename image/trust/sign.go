package trust

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sylabs/sif/v2/pkg/integrity"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
)

// SignOptions say who signs what. One of Key and Plain signs.
type SignOptions struct {
	// Key is a secret OpenPGP key that is unlocked.
	Key *keyring.Key
	// Plain is a private key of a PEM file.
	Plain *pem.PrivateKey
	// Groups and Objects are what is signed; without any, every group. Objects of
	// one group share a signature, which is about them only.
	Groups, Objects []uint32
	// Unpublished is that nobody else knows the file yet: its lock and its durability
	// are the caller's.
	Unpublished bool
	// Now is the time of the signature.
	Now time.Time
}

// Sign adds signatures to the image in f, which must be open for reading and
// writing, durably unless it is Unpublished; sif.Add says how a crash leaves it.
// Signatures that are there stay.
func Sign(ctx context.Context, f *os.File, o SignOptions) error {
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	if err := o.check(img); err != nil {
		return err
	}
	opts, err := o.library(ctx)
	if err != nil {
		return err
	}
	if img.ID() == "00000000-0000-0000-0000-000000000000" {
		opts = append(opts, integrity.OptSignDeterministic()) // such images have no times
	}
	add := sif.Add
	if o.Unpublished {
		add = sif.AddUnpublished
	}
	return add(ctx, f, func(c *sif.Container) error {
		signer, err := integrity.NewSigner(c, opts...)
		if err != nil {
			return err
		}
		return signer.Sign()
	})
}

// check refuses what would give a signature that nobody can verify.
func (o SignOptions) check(img *sif.Image) error {
	groups, ungrouped := map[uint32]bool{}, []sif.Object{}
	asked := len(o.Groups)+len(o.Objects) > 0
	for _, obj := range img.Objects() {
		switch {
		case obj.Type == sif.Signature:
			if slices.Contains(o.Objects, obj.ID) {
				return fmt.Errorf("%v is a signature; signatures are not signed", obj)
			}
		case obj.Group == 0:
			ungrouped = append(ungrouped, obj)
		default:
			groups[obj.Group] = true
		}
	}
	for _, obj := range ungrouped {
		if !asked || slices.Contains(o.Objects, obj.ID) {
			return hint.New(fmt.Sprintf("%v is in no group, so that it cannot be signed", obj),
				"remove it, or sign a part of the image by --group-id or --sif-id")
		}
	}
	if err := o.missing(img, groups); err != nil {
		return err
	}
	if len(groups) == 0 {
		return errors.New("the image holds nothing to sign")
	}
	n := len(groups)
	if asked {
		n = len(o.Groups) + len(o.Objects)
	}
	if img.Free() < n {
		return hint.New(fmt.Sprintf("the image has room for %d more objects, and signatures are to be added: %d", img.Free(), n),
			"build the image again; a new one has 48 places")
	}
	return nil
}

// missing refuses ids that the image does not have.
func (o SignOptions) missing(img *sif.Image, groups map[uint32]bool) error {
	for _, g := range o.Groups {
		if !groups[g] {
			return fmt.Errorf("the image has no group %d", g)
		}
	}
	for _, id := range o.Objects {
		if _, ok := img.Object(id); !ok {
			return fmt.Errorf("the image has no object %d", id)
		}
	}
	return nil
}

// library is what the library is told.
func (o SignOptions) library(ctx context.Context) ([]integrity.SignerOpt, error) {
	opts := []integrity.SignerOpt{
		integrity.OptSignWithContext(ctx), integrity.OptSignWithTime(func() time.Time { return o.Now }),
	}
	for _, g := range o.Groups {
		opts = append(opts, integrity.OptSignGroup(g))
	}
	if len(o.Objects) > 0 {
		opts = append(opts, integrity.OptSignObjects(o.Objects...))
	}
	if o.Plain != nil {
		return append(opts, integrity.OptSignWithSigner(o.Plain.Signer())), nil
	}
	if s := o.Key.State(o.Now); s != keyring.Valid {
		return nil, hint.New(fmt.Sprintf("the key %s is %s; nobody would take its signature", o.Key.Fingerprint(), s),
			"choose another key by --keyidx, or make one by 'sealift key newpair'")
	}
	e, err := o.Key.Entity()
	if err != nil {
		return nil, err
	}
	return append(opts, integrity.OptSignWithEntity(e)), nil
}
