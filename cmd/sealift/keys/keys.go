// Package keys is the command key, and how commands find keyrings, keys and
// passphrases.
//
// Input: flags, the environment, answers on the standard input, files of keys.
// Output: keyrings that change (image/trust/keyring), keys that go to and come
// from key servers (image/trust/hkp), lists in Apptainer's form or as JSON.
// Passphrases are never printed.
package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/trust/keyring"
)

// Rings is where a command's keyrings are: the flag --keysdir, and the site's.
type Rings struct{ dir string }

// Add adds the flag.
func (r *Rings) Add(flags *pflag.FlagSet) {
	flags.StringVarP(&r.dir, "keysdir", "d", "", "keep keyrings in `DIR` instead of ~/.apptainer/keys")
	ui.Bind(flags, "keysdir", "KEYSDIR")
}

// Usual returns where the keyrings of a command without the flag are.
func Usual(p *ui.Process) Rings { return Rings{rulefiles.KeysDir(p)} }

// userDir returns the directory of the user's keyrings, Apptainer's.
func (r *Rings) userDir(p *ui.Process) (string, error) {
	if r.dir != "" {
		return r.dir, nil
	}
	if dir := rulefiles.KeysDir(p); dir != "" {
		return dir, nil
	}
	return "", hint.New("there is no directory for keyrings, as HOME is not set", "use --keysdir")
}

// Public returns the keyring of the keys that the user trusts.
func (r *Rings) Public(p *ui.Process) (keyring.File, error) {
	dir, err := r.userDir(p)
	return keyring.Public(dir), err
}

// Secret returns the keyring of the keys that the user signs with.
func (r *Rings) Secret(p *ui.Process) (keyring.File, error) {
	dir, err := r.userDir(p)
	return keyring.Secret(dir), err
}

// Site returns the keyring of the keys that the site trusts: its own or else
// Apptainer's.
func Site() keyring.File { return site(rulefiles.SiteDirs()) }

// site takes the first of directories that has a keyring.
func site(dirs []string) keyring.File {
	for _, dir := range dirs {
		if f := keyring.Site(dir); exists(f.Path) {
			return f
		}
	}
	return keyring.Site(dirs[0])
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Read reads a keyring, and warns of what in it is not understood.
func Read(p *ui.Process, f keyring.File) (*keyring.Ring, error) {
	r, err := f.Read()
	if err != nil {
		return nil, err
	}
	for _, problem := range r.Problems() {
		p.Warn("%s: %v", f.Path, problem)
	}
	return r, nil
}

// Choose returns the key of a fingerprint or, without one, the only key there is
// or the one whose number is the answer to a question, as Apptainer asks it.
func Choose(ctx context.Context, p *ui.Process, r *keyring.Ring, fingerprint, kind string) (*keyring.Key, error) {
	keys := r.Keys()
	if fingerprint != "" {
		id, err := keyring.ParseFingerprint(fingerprint)
		if err != nil {
			return nil, err
		}
		if k := r.Find(id); k != nil {
			return k, nil
		}
		return nil, hint.New(fmt.Sprintf("there is no %s key %s", kind, id), "see sealift key list")
	}
	switch len(keys) {
	case 0:
		return nil, hint.New(fmt.Sprintf("there is no %s key", kind), "make a pair with sealift key newpair, or import one with sealift key import")
	case 1:
		return keys[0], nil
	}
	answer, err := p.Ask(ctx, fmt.Sprintf("%sEnter # of %s key to use : ", listed(keys), kind))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 0 || n >= len(keys) {
		return nil, hint.New(fmt.Sprintf("%.50q is the number of no key", answer), "answer 0 to %d, or name the key's fingerprint", len(keys)-1)
	}
	return keys[n], nil
}

// commands are what the commands share.
type commands struct {
	p      *ui.Process
	rings  Rings
	global bool
	// site is the site's keyring.
	site keyring.File
}

// Command returns key.
func Command(p *ui.Process) *cobra.Command { return command(&commands{p: p, site: Site()}) }

func command(m *commands) *cobra.Command {
	c := &cobra.Command{
		Use: "key", Aliases: []string{"keys"}, Short: "Keep OpenPGP keys to sign and verify images with",
		Long: `Keep OpenPGP keys to sign and verify images with. They are in Apptainer's
keyrings in ~/.apptainer/keys, or in SEALIFT_KEYSDIR or APPTAINER_KEYSDIR: the
keys that you trust in pgp-public, and those that you sign with in pgp-secret.
Nobody else may write there. The keys that the site trusts are in
/etc/sealift/global-pgp-public, or in /etc/apptainer.

A key in the public keyring is trusted: compare its fingerprint with its owner
before.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(m.newpair(), m.list(), m.imported(), m.export(), m.remove(), m.push(), m.pull(), m.search())
	return c
}

// add adds the flags of commands that use a keyring.
func (m *commands) add(c *cobra.Command) {
	m.rings.Add(c.Flags())
	c.Flags().BoolVarP(&m.global, "global", "g", false, "use the site's keyring, which root changes")
}

// ring returns the keyring that the flags name.
func (m *commands) ring(secret bool) (keyring.File, error) {
	switch {
	case m.global && secret:
		return keyring.File{}, hint.New("the site has no secret keys", "leave out --global")
	case m.global:
		return m.site, nil
	case secret:
		return m.rings.Secret(m.p)
	}
	return m.rings.Public(m.p)
}

// explain says whose the site's keyring is.
func (m *commands) explain(err error) error {
	if m.global && errors.Is(err, fs.ErrPermission) {
		return hint.Wrap(err, "run it as root: the keyring is the site's")
	}
	return err
}

// operand requires one.
func operand(c *cobra.Command, args []string) error {
	return errors.Join(ui.AtLeast(1)(c, args), ui.AtMost(1)(c, args))
}

// run makes a command's function: it reads the environment, and ends by signals.
func (m *commands) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := m.p.FromEnvironment(c.Flags()); err != nil {
			return err
		}
		return ui.Interruptible(c.Context(), func(ctx context.Context) error { return m.explain(f(ctx, args)) })
	}
}
