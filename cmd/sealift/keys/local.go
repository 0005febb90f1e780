package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/trust/keyring"
)

func (m *commands) imported() *cobra.Command {
	var newPassword bool
	var passphrase ui.Passphrase
	c := &cobra.Command{
		Use: "import [flags] FILE", Short: "Import keys from a file", Args: operand,
		Long: `Import public and secret keys from a file of sealift key export, apptainer key
export, gpg --export or gpg --export-secret-keys, armoured or not; /dev/stdin is
the standard input. Secret keys keep their passphrases. A key that is there gets
what is new of it, such as a revocation.`,
		RunE: m.run(func(ctx context.Context, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			keys, problems := keyring.Import(f)
			if err := errors.Join(append(problems, f.Close())...); len(keys) == 0 && err != nil {
				return hint.Wrap(fmt.Errorf("%s: %w", args[0], err), "%s", hint.Of(err))
			}
			for _, k := range keys {
				if k.Secret() && newPassword {
					if k, err = m.relock(ctx, k, &passphrase); err != nil {
						return err
					}
				}
				if err := m.take(ctx, k); err != nil {
					problems = append(problems, err)
				}
			}
			if len(problems) > 0 {
				return fmt.Errorf("%s: not all of it was imported: %w", args[0], errors.Join(problems...))
			}
			return nil
		}),
	}
	m.add(c)
	passphrase.Add(c.Flags())
	c.Flags().BoolVar(&newPassword, "new-password", false, "ask for a new passphrase of the secret key")
	return c
}

// relock gives a secret key another passphrase.
func (m *commands) relock(ctx context.Context, k *keyring.Key, old *ui.Passphrase) (*keyring.Key, error) {
	err := k.Unlock(func(try int) ([]byte, error) { return old.Ask(ctx, m.p, "Enter your key password : ", try) })
	if err != nil {
		return nil, err
	}
	passphrase, err := new(ui.Passphrase).AskNew(ctx, m.p, "Enter a new password for this key : ")
	if err != nil {
		return nil, err
	}
	return k.Relocked(passphrase)
}

// take puts a key into the keyrings that it belongs to.
func (m *commands) take(ctx context.Context, k *keyring.Key) error {
	if s := k.State(time.Now()); s == keyring.Weak {
		return hint.New(fmt.Sprintf("the key %s is weak: %s of %d bits", k.Fingerprint(), k.Algorithm(), k.Bits()), "use another one")
	} else if s != keyring.Valid {
		m.p.Warn("the key %s is %s", k.Fingerprint(), s)
	}
	if k.Secret() {
		if m.global {
			m.p.Warn("the site's keyring gets only the public part of the key %s", k.Fingerprint())
		} else if err := m.put(ctx, k, true); err != nil {
			return err
		}
	}
	return m.put(ctx, k, false)
}

// put puts a key into a keyring, and says so in Apptainer's words.
func (m *commands) put(ctx context.Context, k *keyring.Key, secret bool) error {
	kind := "public"
	if secret {
		kind = "private"
	}
	f, err := m.ring(secret)
	if err != nil {
		return err
	}
	a, err := f.Add(ctx, k)
	switch {
	case err != nil:
		return err
	case len(a.Known) > 0:
		m.p.Info("the key %s is in the %s keyring already", k.Fingerprint(), kind)
		return nil
	case len(a.Updated) > 0:
		return m.p.Print(fmt.Sprintf("Key with fingerprint %s successfully updated in the %s keyring\n", k.Fingerprint(), kind))
	}
	return m.p.Print(fmt.Sprintf("Key with fingerprint %s successfully added to the %s keyring\n", k.Fingerprint(), kind))
}

func (m *commands) export() *cobra.Command {
	var secret, armor, force bool
	var fingerprint string
	c := &cobra.Command{
		Use: "export [flags] FILE", Short: "Export a key to a file", Args: operand,
		Long: `Export a public or a secret key to a file. If the keyring has more than one,
there is a question which, unless --fingerprint says so. A secret key keeps its
passphrase.`,
		RunE: m.run(func(ctx context.Context, args []string) error {
			kind := "public"
			if secret {
				kind = "private"
			}
			f, err := m.ring(secret)
			if err != nil {
				return err
			}
			r, err := Read(m.p, f)
			if err != nil {
				return err
			}
			k, err := Choose(ctx, m.p, r, fingerprint, kind)
			if err != nil {
				return err
			}
			if err := write(args[0], k, armor, force); err != nil {
				return err
			}
			return m.p.Print(fmt.Sprintf("%s key with fingerprint %s correctly exported to file: %s\n",
				strings.ToUpper(kind[:1])+kind[1:], k.Fingerprint(), ui.Clean(args[0])))
		}),
	}
	m.add(c)
	flags := c.Flags()
	flags.BoolVarP(&secret, "secret", "s", false, "export a key that you sign with")
	flags.BoolVarP(&armor, "armor", "a", false, "export it as text")
	flags.BoolVarP(&force, "force", "F", false, "replace a file that exists")
	flags.StringVar(&fingerprint, "fingerprint", "", "export the key of this fingerprint, 40 hexadecimal `DIGITS`")
	return c
}

// write writes a key to a file, a secret one to a private file.
func write(path string, k *keyring.Key, armor, force bool) error {
	text := k.Bytes()
	if armor {
		var err error
		if text, err = k.Armor(); err != nil {
			return err
		}
	}
	o := output.Options{Force: force, Mode: 0o644}
	if k.Secret() {
		o.Mode = 0o600
	}
	out, err := output.Create(path, o)
	if errors.Is(err, os.ErrExist) {
		return hint.Wrap(err, "use --force to replace it")
	}
	if err != nil {
		return err
	}
	if _, err := out.File().Write(text); err != nil {
		return errors.Join(out.Explain(err), out.Abort())
	}
	return out.Commit()
}

func (m *commands) remove() *cobra.Command {
	var public, secret, both bool
	c := &cobra.Command{
		Use: "remove [flags] FINGERPRINT", Short: "Remove a key from a keyring", Args: operand,
		Long: `Remove a key from the public keyring, so that it is not trusted any more, or
from the secret one. A secret key that is not kept elsewhere is lost.`,
		RunE: m.run(func(ctx context.Context, args []string) error {
			id, err := keyring.ParseFingerprint(args[0])
			if err != nil {
				return err
			}
			both = both || public && secret
			if both {
				return m.removeBoth(ctx, id)
			}
			return m.removeFrom(ctx, secret, id)
		}),
	}
	m.add(c)
	c.Flags().BoolVarP(&public, "public", "p", false, "remove the public key only, as is usual")
	c.Flags().BoolVarP(&secret, "secret", "s", false, "remove the secret key only")
	c.Flags().BoolVarP(&both, "both", "b", false, "remove the public key and the secret one")
	return c
}

// removeBoth is an error if neither keyring has the key.
func (m *commands) removeBoth(ctx context.Context, id string) error {
	err1, err2 := m.removeFrom(ctx, false, id), m.removeFrom(ctx, true, id)
	one := errors.Is(err1, keyring.ErrNotFound)
	other := errors.Is(err2, keyring.ErrNotFound)
	switch {
	case one && !other:
		return err2
	case other && !one:
		return err1
	}
	return errors.Join(err1, err2)
}

func (m *commands) removeFrom(ctx context.Context, secret bool, id string) error {
	f, err := m.ring(secret)
	if err != nil {
		return err
	}
	if err := f.Remove(ctx, id); err != nil {
		if errors.Is(err, keyring.ErrNotFound) {
			return hint.Wrap(err, "see sealift key list")
		}
		return err
	}
	m.p.Info("key %s removed from %s", id, f.Path)
	return nil
}
