package trusts

import (
	"context"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
)

// onlyKey is the value of --sign without one: the key that sign takes by itself.
const onlyKey = "yes"

// Flag is the flag --sign of a command that makes images.
type Flag struct {
	key        string
	passphrase ui.Passphrase
}

// Add adds the flags.
func (f *Flag) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.key, "sign", "", "sign the image with the OpenPGP key of this fingerprint, or the key in this PEM file; `KEY` is not needed if you have one OpenPGP key")
	flags.Lookup("sign").NoOptDefVal = onlyKey
	ui.Bind(flags, "sign", "BUILD_SIGN")
	f.passphrase.Add(flags)
}

// Trust returns what decides about the images that a build starts from, and what
// signs the one that it makes if that is a file: nil if neither the flag nor a file
// with rules asks for that. Anew is that of policies.Open.
func (f *Flag) Trust(ctx context.Context, p *ui.Process, file, anew bool) (g image.Gate, sign func(context.Context, *os.File) error, err error) {
	if g, err = policies.Open(p, anew); err != nil || !file {
		return g, nil, err
	}
	err = ui.Interruptible(ctx, func(ctx context.Context) (err error) {
		sign, err = f.signer(ctx, p)
		return err
	})
	return g, sign, err
}

// signer unlocks the key.
func (f *Flag) signer(ctx context.Context, p *ui.Process) (func(context.Context, *os.File) error, error) {
	key := f.key
	if key == "" {
		var err error
		if key, err = policies.Signing(p); key == "" {
			return nil, err
		}
	}
	s := signing{p: p, passphrase: f.passphrase, rings: keys.Usual(p)}
	if key != onlyKey {
		if _, err := keyring.ParseFingerprint(key); err == nil {
			s.fingerprint = key
		} else {
			s.file = key
		}
	}
	var o trust.SignOptions
	if err := s.unlock(ctx, &o); err != nil {
		return nil, err
	}
	return func(ctx context.Context, file *os.File) error {
		// The build has locked the file, and flushes it. The hash tree was made just now of
		// what was written.
		o.Now, o.Unpublished = time.Now(), true
		return trust.Sign(ctx, file, o)
	}, nil
}
