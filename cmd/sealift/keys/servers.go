package keys

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/trust/hkp"
	"github.com/sealift/sealift/image/trust/keyring"
)

// client returns the client of the key servers that the flag names.
func (m *commands) client(ctx context.Context, servers *endpoints.Keyservers) (*hkp.Client, error) {
	return servers.Client(ctx, m.p, new(remotes.Flags).Client(m.p))
}

func (m *commands) push() *cobra.Command {
	var servers endpoints.Keyservers
	c := &cobra.Command{
		Use: "push [flags] FINGERPRINT", Short: "Upload a public key to a key server", Args: operand,
		RunE: m.run(func(ctx context.Context, args []string) error {
			f, err := m.ring(false)
			if err != nil {
				return err
			}
			r, err := Read(m.p, f)
			if err != nil {
				return err
			}
			k, err := named(r, args[0])
			if err != nil {
				return err
			}
			if err := m.upload(ctx, &servers, k); err != nil {
				return err
			}
			return m.p.Print(fmt.Sprintf("public key `%s' pushed to server successfully\n", ui.Clean(args[0])))
		}),
	}
	m.add(c)
	servers.Add(c.Flags())
	return c
}

// named returns the key of a fingerprint or, as it is one's own, of a key ID.
func named(r *keyring.Ring, text string) (*keyring.Key, error) {
	if digits := strings.TrimPrefix(text, "0x"); len(digits) == 16 {
		id, err := strconv.ParseUint(digits, 16, 64)
		if keys := r.FindByID(id); err == nil && len(keys) == 1 {
			return keys[0], nil
		}
	}
	fingerprint, err := keyring.ParseFingerprint(text)
	if err != nil {
		return nil, err
	}
	if k := r.Find(fingerprint); k != nil {
		return k, nil
	}
	return nil, hint.Wrap(fmt.Errorf("%w %s", keyring.ErrNotFound, fingerprint), "see sealift key list")
}

// upload sends a key to the key server, and tells what that says.
func (m *commands) upload(ctx context.Context, servers *endpoints.Keyservers, k *keyring.Key) error {
	c, err := m.client(ctx, servers)
	if err != nil {
		return err
	}
	said, err := c.Push(ctx, k)
	if said = strings.TrimSpace(said); err == nil && said != "" {
		m.p.Info("the key server says: %q", said)
	}
	return err
}

func (m *commands) pull() *cobra.Command {
	var servers endpoints.Keyservers
	c := &cobra.Command{
		Use: "pull [flags] FINGERPRINT", Short: "Download a public key from a key server, and trust it", Args: operand,
		Long: `Download the public key of a fingerprint, 40 hexadecimal digits, from a key
server, and trust it. Whatever the server sends, only that key is taken. A key
that is there gets what is new of it, such as a revocation.`,
		RunE: m.run(func(ctx context.Context, args []string) error {
			fingerprint, err := keyring.ParseFingerprint(args[0])
			if err != nil {
				return err
			}
			f, err := m.ring(false)
			if err != nil {
				return err
			}
			c, err := m.client(ctx, &servers)
			if err != nil {
				return err
			}
			k, err := c.Get(ctx, fingerprint)
			if err != nil {
				return err
			}
			return m.trust(ctx, f, k)
		}),
	}
	m.add(c)
	servers.Add(c.Flags())
	return c
}

// trust adds a key that came from a server.
func (m *commands) trust(ctx context.Context, f keyring.File, k *keyring.Key) error {
	switch s := k.State(time.Now()); s {
	case keyring.Valid:
	case keyring.Weak, keyring.Unusable:
		return hint.New(fmt.Sprintf("the key %s is %s", k.Fingerprint(), s), "ask its owner for another one")
	default:
		m.p.Warn("the key %s is %s", k.Fingerprint(), s)
	}
	a, err := f.Add(ctx, k)
	if err != nil {
		return err
	}
	if len(a.Updated) > 0 {
		m.p.Info("the key %s was there, and got what is new of it", k.Fingerprint())
	}
	return m.p.Print(fmt.Sprintf("%d key(s) added to keyring of trust %s\n", len(a.New), ui.Clean(f.Path)))
}

func (m *commands) search() *cobra.Command {
	var servers endpoints.Keyservers
	var long, asJSON bool
	c := &cobra.Command{
		Use: "search [flags] TEXT", Short: "Search a key server", Args: operand,
		Long: `Search a key server for keys by a part of their users' names or addresses, or by
a fingerprint. Anybody may upload a key in any name: the list proves nothing.`,
		RunE: m.run(func(ctx context.Context, args []string) error {
			c, err := m.client(ctx, &servers)
			if err != nil {
				return err
			}
			list, err := c.Search(ctx, args[0])
			if err == nil && len(list) == 0 {
				err = hint.Wrap(errors.New("no matching keys found"), "search for a whole address or a fingerprint: some servers know no parts")
			}
			if err != nil {
				return err
			}
			if asJSON {
				return m.p.PrintJSON(list)
			}
			return m.p.Print(found(list, long))
		}),
	}
	servers.Add(c.Flags())
	c.Flags().BoolVarP(&long, "long-list", "l", false, "list fingerprints, algorithms and dates")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects id, users, status and more")
	return c
}
