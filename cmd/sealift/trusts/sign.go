package trusts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
)

// signing is the request of sign.
type signing struct {
	p           *ui.Process
	part        selection
	rings       keys.Rings
	passphrase  ui.Passphrase
	index       int
	byIndex     bool
	fingerprint string
	file        string
}

func signCommand(p *ui.Process) *cobra.Command {
	s := signing{p: p}
	c := &cobra.Command{
		Use: "sign [flags] IMAGE...", Short: "Add signatures to images", Args: ui.AtLeast(1),
		Long: `Add a signature to each group of objects in SIF images, which as a rule have
one. The key is an OpenPGP key of yours (sealift key), or an ECDSA, RSA or
Ed25519 key in a PEM file. Signatures that are there stay.

An image is changed in place: a signature is there whole or not at all,
whatever ends the program, and nothing else in the file is touched.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			s.byIndex = c.Flags().Changed("keyidx")
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return s.run(ctx, args) })
		},
	}
	flags := c.Flags()
	s.part.add(flags, "sign")
	flags.BoolP("all", "a", false, "sign all objects, which is what sign does")
	hide(flags, "all")
	flags.IntVarP(&s.index, "keyidx", "k", 0, "sign with the OpenPGP key number `N` of 'sealift key list --secret'")
	flags.StringVar(&s.fingerprint, "fingerprint", "", "sign with the OpenPGP key of this `FINGERPRINT`, 40 digits")
	ui.Bind(flags, "fingerprint", "SIGN_FINGERPRINT")
	flags.StringVar(&s.file, "key", "", "sign with the private key in the PEM file `FILE`")
	ui.Bind(flags, "key", "SIGN_KEY")
	s.rings.Add(flags)
	s.passphrase.Add(flags)
	c.MarkFlagsMutuallyExclusive("keyidx", "fingerprint", "key")
	return c
}

func (s *signing) run(ctx context.Context, paths []string) error {
	var o trust.SignOptions
	var err error
	if o.Groups, o.Objects, err = s.part.chosen(); err != nil {
		return err
	}
	if err := s.unlock(ctx, &o); err != nil {
		return err
	}
	for _, path := range paths {
		o.Now = time.Now()
		if err := s.sign(ctx, path, o); err != nil {
			return err
		}
		s.p.Info("signature created and applied to image '%s'", path)
	}
	return nil
}

// unlock finds the key to sign with.
func (s *signing) unlock(ctx context.Context, o *trust.SignOptions) (err error) {
	if s.file != "" && !s.byIndex && s.fingerprint == "" {
		s.p.Info("signing with the key in %s", s.file)
		o.Plain, err = readPEM(s.file, func(text []byte) (*pem.PrivateKey, error) {
			return pem.ParsePrivate(text, func() ([]byte, error) { return s.ask(ctx, 1) })
		})
		return err
	}
	o.Key, err = s.key(ctx)
	return err
}

func (s *signing) ask(ctx context.Context, try int) ([]byte, error) {
	return s.passphrase.Ask(ctx, s.p, "Enter key passphrase : ", try)
}

// key returns the OpenPGP key, unlocked.
func (s *signing) key(ctx context.Context) (*keyring.Key, error) {
	f, err := s.rings.Secret(s.p)
	if err != nil {
		return nil, err
	}
	ring, err := keys.Read(s.p, f)
	if err != nil {
		return nil, err
	}
	k, err := s.choose(ctx, ring)
	if err != nil {
		return nil, err
	}
	s.p.Info("signing with the OpenPGP key %s of %s", k.Fingerprint(), k.Name())
	return k, k.Unlock(func(try int) ([]byte, error) { return s.ask(ctx, try) })
}

func (s *signing) choose(ctx context.Context, ring *keyring.Ring) (*keyring.Key, error) {
	if !s.byIndex {
		return keys.Choose(ctx, s.p, ring, s.fingerprint, "private")
	}
	all := ring.Keys()
	if s.index < 0 || s.index >= len(all) {
		return nil, hint.New(fmt.Sprintf("there is no private key number %d", s.index),
			"'sealift key list --secret' shows them, from 0 on")
	}
	return all[s.index], nil
}

func (s *signing) sign(ctx context.Context, path string, o trust.SignOptions) error {
	f, img, err := openImage(path, os.O_RDWR)
	if err != nil {
		return err
	}
	// Who signs says that the hash trees in the image are those of its file systems.
	if err = merkle.AddAll(ctx, f, o.Now, signatures(img, o)); err == nil {
		err = trust.Sign(ctx, f, o)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("sign %s: %w", path, err)
	}
	return nil
}

// signatures is how many are going to be made, at most.
func signatures(img *sif.Image, o trust.SignOptions) int {
	if n := len(o.Groups) + len(o.Objects); n > 0 {
		return n
	}
	groups := map[uint32]bool{}
	for _, obj := range img.Objects() {
		if obj.Group != 0 {
			groups[obj.Group] = true
		}
	}
	return len(groups)
}
