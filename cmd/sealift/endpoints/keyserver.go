package endpoints

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library/endpoint"
	"github.com/sealift/sealift/image/trust/hkp"
)

// KeyserverCommand returns keyserver.
func KeyserverCommand(p *ui.Process) *cobra.Command {
	return keyserverCommand(&commands{p, newFiles(p), new(remotes.Flags).Client(p)})
}

func keyserverCommand(m *commands) *cobra.Command {
	c := &cobra.Command{
		Use: "keyserver", Short: "Choose the servers of OpenPGP keys, and log in there",
		Long: `Choose the servers of OpenPGP keys that belong to a remote (sealift remote), and
log in there. They are asked in their order for a key; the first one is searched
and gets uploads. A remote without a list has its own key server alone; that of
Apptainer's remote is https://keys.openpgp.org. A remote of the site's is
changed by root.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVarP(&m.files.user, "config", "c", m.files.user, "keep key servers and logins in `FILE`")
	c.AddCommand(m.addServer(), m.removeServer(), m.listServers(), m.logInServer(), m.logOutServer())
	return c
}

func (m *commands) addServer() *cobra.Command {
	var order int
	var insecure bool
	c := &cobra.Command{
		Use: "add [flags] [REMOTE] URL", Short: "Add a key server to a remote, or to the one in use", Args: operands(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("order") && order < 1 {
				return hint.New("the order counts from 1", "leave out --order to put it last")
			}
			address := args[len(args)-1]
			err := m.changeServers(c.Context(), args, func(r *endpoint.Remote, own string) error {
				return r.AddKeyserver(own, address, order, insecure)
			})
			if err == nil {
				m.p.Info("key server %s added", address)
			}
			return err
		},
	}
	c.Flags().IntVarP(&order, "order", "o", 0, "ask it as the `N`th, counted from 1, instead of last")
	c.Flags().BoolVarP(&insecure, "insecure", "i", false, "accept any certificate of it")
	return c
}

func (m *commands) removeServer() *cobra.Command {
	return &cobra.Command{
		Use: "remove [REMOTE] URL", Short: "Remove a key server from a remote, or from the one in use", Args: operands(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			address := args[len(args)-1]
			err := m.changeServers(c.Context(), args, func(r *endpoint.Remote, own string) error { return r.RemoveKeyserver(own, address) })
			if err == nil {
				m.p.Info("key server %s removed", address)
			}
			return err
		},
	}
}

// changeServers changes the key servers of the remote that the first of two
// operands names, or of the one in use, in the file that has it.
func (m *commands) changeServers(ctx context.Context, args []string, change func(r *endpoint.Remote, own string) error) error {
	all, err := m.read()
	if err != nil {
		return err
	}
	name := all.Active
	if len(args) > 1 {
		name = args[0]
	}
	r, err := all.Get(name)
	if err != nil {
		return err
	}
	own := ""
	if r.UsesOwnKeyserver() {
		if own, err = ownKeyserver(ctx, m.via, r); err != nil {
			return err
		}
	}
	return m.files.change(ctx, r.System, func(c *endpoint.Config) error {
		if r.System && len(c.Remotes) == 0 && c.Active == "" {
			*c = *endpoint.Default() // the site has no file yet
		}
		r, err := c.Get(name)
		if err != nil {
			return err
		}
		return change(r, own)
	})
}

func (m *commands) listServers() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list [flags] [REMOTE]", Short: "List the key servers of all remotes, or of one", Args: ui.AtMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.read()
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(c.Remotes))
			if len(args) > 0 {
				if _, err := c.Get(args[0]); err != nil {
					return err
				}
				names = args
			}
			list := []servers{}
			for _, name := range names {
				list = append(list, m.serversOf(cmd.Context(), c, name))
			}
			if asJSON {
				return m.p.PrintJSON(list)
			}
			var b strings.Builder
			for i := range list {
				list[i].describe(&b)
			}
			return m.p.Print(b.String() + "\n(* = system endpoint, ^ = default endpoint)\n")
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects remote, default, global and servers, with uri and secure")
	return c
}

// servers are those of keys of a remote, in their order, as JSON has them.
type servers struct {
	Remote  string   `json:"remote"`
	Default bool     `json:"default"`
	Global  bool     `json:"global"`
	Servers []server `json:"servers"`
}

type server struct {
	URI    string `json:"uri"`
	Secure bool   `json:"secure"`
}

// serversOf finds the key servers of a remote, which may have to be asked for them.
func (m *commands) serversOf(ctx context.Context, c *endpoint.Config, name string) servers {
	r := c.Remotes[name]
	s := servers{name, name == c.Active, r.System, []server{}}
	used, err := keyserversOf(ctx, m.via, r)
	if err != nil {
		m.p.Warn("key servers of the remote %s: %v", name, err)
		return s
	}
	for _, k := range used {
		u, err := endpoint.ParseKeyserver(k.URI)
		s.Servers = append(s.Servers, server{k.URI, err == nil && u.Scheme == "https" && !k.Insecure})
	}
	return s
}

// describe lists the key servers of a remote, as Apptainer does.
func (s *servers) describe(b *strings.Builder) {
	marks := ""
	if s.Global {
		marks = "*"
	}
	if s.Default {
		marks += "^"
	}
	fmt.Fprintf(b, "\n%s %s\n", ui.Clean(s.Remote), marks)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, k := range s.Servers {
		lock := ""
		if k.Secure {
			lock = "🔒"
		}
		fmt.Fprintf(w, " \t#%d\t%s\t%s\n", i+1, ui.Clean(k.URI), lock)
	}
	_ = w.Flush() // to memory
}

func (m *commands) logInServer() *cobra.Command {
	var who ui.Login
	c := &cobra.Command{
		Use: "login [flags] URL", Short: "Log in to a key server", Args: operands(1, 1),
		Long: `Log in to a key server that was added to a remote, with a token, or with a
password and --username. The server is asked whether it accepts them before they
are kept. A remote's own key server takes the token of sealift remote login.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := who.FromEnvironment(m.p, c); err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return m.logInTo(ctx, args[0], &who) })
		},
	}
	who.Add(c)
	return c
}

func (m *commands) logInTo(ctx context.Context, address string, who *ui.Login) error {
	u, err := endpoint.ParseKeyserver(address)
	if err != nil {
		return err
	}
	c, err := m.read()
	if err != nil {
		return err
	}
	k := c.ExternalKeyserver(address)
	if k == nil {
		return hint.New(fmt.Sprintf("no remote has the key server %s", address), "sealift keyserver add it first; a remote's own takes the token of sealift remote login")
	}
	if u.Scheme != "https" {
		m.p.Warn("%s is spoken to without TLS: others on the network can read the password", address)
	}
	if err := who.Ask(ctx, m.p); err != nil {
		return err
	}
	auth := "Bearer " + who.Password
	if who.User != "" {
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(who.User+":"+who.Password))
	}
	if strings.ContainsFunc(auth, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return hint.New("the password has control characters", "copy it again")
	}
	if err := hkp.New(m.via, hkp.Server{URL: u, Authorization: auth, Unverified: k.Insecure}).Check(ctx); err != nil {
		return fmt.Errorf("the login is not accepted: %w", err)
	}
	err = m.files.change(ctx, false, func(c *endpoint.Config) error {
		c.SetCredential(endpoint.Credential{URI: address, Auth: auth, Insecure: k.Insecure})
		return nil
	})
	if err == nil {
		m.p.Info("logged in; the token is in %s", m.files.user)
	}
	return err
}

func (m *commands) logOutServer() *cobra.Command {
	return &cobra.Command{
		Use: "logout URL", Short: "Forget the login at a key server", Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := endpoint.ParseKeyserver(args[0]); err != nil {
				return err
			}
			found := false
			err := m.files.change(cmd.Context(), false, func(c *endpoint.Config) error {
				found = c.RemoveCredential(args[0])
				return nil
			})
			if err == nil && !found {
				m.p.Warn("there is no login at %s", args[0])
			} else if err == nil {
				m.p.Info("logged out")
			}
			return err
		},
	}
}
