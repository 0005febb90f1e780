package keys

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/trust/keyring"
)

// pair is newpair's request.
type pair struct {
	user       keyring.User
	password   string
	bits       int
	push       bool
	passphrase ui.Passphrase
	servers    endpoints.Keyservers
	// given tells whether a flag is on the command line.
	given func(flag string) bool
}

func (m *commands) newpair() *cobra.Command {
	var n pair
	c := &cobra.Command{
		Use: "newpair [flags]", Short: "Make a pair of keys", Args: ui.AtMost(0),
		Long: `Make a pair of keys: a secret one to sign with, and a public one to give to
those who verify. What the flags do not say is asked for. The key is RSA, so
that every program of the kind reads it.`,
	}
	c.RunE = m.run(func(ctx context.Context, _ []string) error {
		n.given = c.Flags().Changed
		return m.makePair(ctx, &n)
	})
	m.rings.Add(c.Flags())
	flags := c.Flags()
	flags.StringVarP(&n.user.Name, "name", "N", "", "name of the key's owner")
	flags.StringVarP(&n.user.Email, "email", "E", "", "email address of the key's owner")
	flags.StringVarP(&n.user.Comment, "comment", "C", "", "comment")
	flags.StringVarP(&n.password, "password", "P", "", "passphrase; others can see it, so a file is safer")
	flags.IntVarP(&n.bits, "bit-length", "b", keyring.DefaultBits, "length of the key in `BITS`")
	flags.BoolVarP(&n.push, "push", "U", false, "upload the public key to the key server")
	n.passphrase.Add(flags)
	n.servers.Add(flags)
	c.MarkFlagsMutuallyExclusive("password", "passphrase-file")
	return c
}

func (m *commands) makePair(ctx context.Context, n *pair) error {
	public, err := m.ring(false)
	if err != nil {
		return err
	}
	secret, err := m.ring(true)
	if err != nil {
		return err
	}
	if err := m.askUser(ctx, n); err != nil {
		return err
	}
	passphrase, err := m.askPassphrase(ctx, n)
	if err != nil {
		return err
	}
	if err := m.p.Print("Generating Entity and OpenPGP Key Pair... "); err != nil {
		return err
	}
	k, err := generate(ctx, n, passphrase)
	if err == nil {
		// The public key can be had from the secret one, but not the other way.
		if _, err = secret.Add(ctx, k); err == nil {
			_, err = public.Add(ctx, k)
		}
	}
	if err != nil {
		return m.endLine(err)
	}
	if err := m.p.Print("done\n"); err != nil {
		return err
	}
	m.p.Info("the fingerprint of the key is %s", k.Fingerprint())
	if !n.push {
		return nil
	}
	if err := m.upload(ctx, &n.servers, k); err != nil {
		return hint.Wrap(err, "the key is made; try again with sealift key push %s", k.Fingerprint())
	}
	return m.p.Print("Key successfully pushed to keystore\n")
}

// generate makes the key, or ends with ctx: a long one takes minutes.
func generate(ctx context.Context, n *pair, passphrase []byte) (*keyring.Key, error) {
	type result struct {
		key *keyring.Key
		err error
	}
	made := make(chan result, 1)
	go func() {
		k, err := keyring.New(n.user, n.bits, passphrase, time.Now())
		made <- result{k, err}
	}()
	select {
	case r := <-made:
		return r.key, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// endLine ends the line that is begun.
func (m *commands) endLine(err error) error {
	_ = m.p.Print("\n") // the error counts
	return err
}

// askUser asks for what no flag says.
func (m *commands) askUser(ctx context.Context, n *pair) error {
	for _, q := range []struct {
		flag, question string
		to             *string
	}{
		{"name", "Enter your name (e.g., John Doe) : ", &n.user.Name},
		{"email", "Enter your email address (e.g., john.doe@example.com) : ", &n.user.Email},
		{"comment", "Enter optional comment (e.g., development keys) : ", &n.user.Comment},
	} {
		if n.given(q.flag) {
			continue
		}
		answer, err := m.p.Ask(ctx, q.question)
		if err != nil {
			return err
		}
		*q.to = strings.TrimSpace(answer)
	}
	return nil
}

// askPassphrase returns the new key's passphrase. Whoever types none is asked
// once more.
func (m *commands) askPassphrase(ctx context.Context, n *pair) ([]byte, error) {
	if n.given("password") {
		if n.password != "" {
			m.p.Warn("others on this machine can see a passphrase on the command line; --passphrase-file hides it")
		}
		return []byte(n.password), nil
	}
	passphrase, err := n.passphrase.AskNew(ctx, m.p, "Enter a passphrase : ")
	if err != nil || len(passphrase) > 0 || n.passphrase.Given() {
		return passphrase, err
	}
	answer, err := m.p.Ask(ctx, "Without a passphrase, whoever can read the file can sign as you. Do you want to continue? [y/N] ")
	if err == nil && !strings.EqualFold(strings.TrimSpace(answer), "y") {
		err = hint.New("the passphrase is empty", "type one, or answer y")
	}
	return nil, err
}
