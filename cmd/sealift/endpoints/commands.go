package endpoints

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library/endpoint"
	"github.com/sealift/sealift/image/oci/registry"
)

// commands are what the commands share.
type commands struct {
	p     *ui.Process
	files files
	via   *registry.Client
}

// Command returns remote.
func Command(p *ui.Process) *cobra.Command {
	return command(&commands{p, newFiles(p), new(remotes.Flags).Client(p)})
}

func command(m *commands) *cobra.Command {
	c := &cobra.Command{
		Use: "remote", Short: "Choose where library:// leads, and log in there",
		Long: `Choose where library:// leads, and log in there. A remote is a server, such as
cloud.sylabs.io, that tells where its library and its other services are. They
and their tokens are kept in ~/.apptainer/remote.yaml, Apptainer's own file, or
in APPTAINER_CONFIGDIR; those of the site are in /etc/sealift/remote.yaml or
/etc/apptainer/remote.yaml. At first there is only Apptainer's remote, which has
no library.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVarP(&m.files.user, "config", "c", m.files.user, "keep remotes in `FILE`")
	c.AddCommand(m.add(), m.remove(), m.use(), m.list(), m.login(), m.logout(), m.status(), m.password())
	return c
}

// operands requires between least and most.
func operands(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		return errors.Join(ui.AtLeast(least)(c, args), ui.AtMost(most)(c, args))
	}
}

func globalFlag(c *cobra.Command, global *bool) {
	c.Flags().BoolVarP(global, "global", "g", false, "change the site's remotes, as root")
}

func (m *commands) add() *cobra.Command {
	var global, insecure, noLogin, noDefault bool
	var tokenFile string
	c := &cobra.Command{
		Use: "add [flags] NAME HOST[:PORT]", Short: "Add a remote, use it, and log in", Args: operands(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := m.p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			name, address := args[0], args[1]
			if strings.HasPrefix(address, "http://") && !insecure {
				return hint.New("a remote without TLS shows tokens to the network", "add --insecure, or give an https address")
			}
			insecure = insecure && !strings.HasPrefix(address, "https://")
			err := m.files.change(c.Context(), global, func(c *endpoint.Config) error {
				if err := c.Add(name, address, insecure, global); err != nil || noDefault {
					return err
				}
				return c.Use(name, global, false)
			})
			if err != nil {
				return err
			}
			m.p.Info("remote %s added", name)
			if noLogin || global { // a token in the site's file would be for all to read
				return nil
			}
			return m.logIn(c.Context(), name, tokenFile)
		},
	}
	globalFlag(c, &global)
	c.Flags().BoolVarP(&insecure, "insecure", "i", false, "speak to it without TLS")
	ui.Bind(c.Flags(), "insecure", "ADD_INSECURE")
	c.Flags().BoolVar(&noLogin, "no-login", false, "do not log in")
	c.Flags().BoolVarP(&noDefault, "no-default", "n", false, "do not use it yet")
	tokenFlag(c, &tokenFile)
	return c
}

func tokenFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "tokenfile", "", "read the token from `FILE`")
}

func (m *commands) remove() *cobra.Command {
	var global bool
	c := &cobra.Command{
		Use: "remove [flags] NAME", Short: "Remove a remote, and its token", Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := m.files.change(cmd.Context(), global, func(c *endpoint.Config) error { return c.Remove(args[0], global) })
			if err == nil {
				m.p.Info("remote %s removed", args[0])
			}
			return err
		},
	}
	globalFlag(c, &global)
	return c
}

func (m *commands) use() *cobra.Command {
	var global, exclusive bool
	c := &cobra.Command{
		Use: "use [flags] NAME", Short: "Choose the remote of library://", Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			use := func(c *endpoint.Config) error { return c.Use(args[0], global || exclusive, exclusive) }
			change := m.files.changeMerged
			if global || exclusive {
				change = func(ctx context.Context, f func(*endpoint.Config) error) error { return m.files.change(ctx, true, f) }
			}
			err := change(cmd.Context(), use)
			if err == nil {
				m.p.Info("remote %s is in use", args[0])
			}
			return err
		},
	}
	globalFlag(c, &global)
	c.Flags().BoolVarP(&exclusive, "exclusive", "e", false, "let users use no other, as root")
	return c
}

func (m *commands) login() *cobra.Command {
	var tokenFile string
	c := &cobra.Command{
		Use: "login [flags] [NAME]", Short: "Log in to a remote, or to the one in use", Args: ui.AtMost(1),
		Long: `Log in to a remote, or to the one in use, with a token that its web page makes.
It is asked for on the terminal, or read from the standard input or --tokenfile,
and kept once the remote accepts it.`,
		RunE: func(c *cobra.Command, args []string) error {
			return m.logIn(c.Context(), strings.Join(args, ""), tokenFile)
		},
	}
	tokenFlag(c, &tokenFile)
	return c
}

func (m *commands) logout() *cobra.Command {
	return &cobra.Command{
		Use: "logout [NAME]", Short: "Forget the token of a remote, or of the one in use", Args: ui.AtMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := m.files.changeMerged(cmd.Context(), func(c *endpoint.Config) error {
				r, err := c.Get(strings.Join(args, ""))
				if err == nil {
					r.Token = ""
				}
				return err
			})
			if err == nil {
				m.p.Info("logged out")
			}
			return err
		},
	}
}

// read returns the configuration, and tells of what is in it twice.
func (m *commands) read() (*endpoint.Config, error) {
	c, both, err := m.files.read()
	for _, name := range both {
		m.p.Info("the remote %s is the site's and yours; yours is used", name)
	}
	return c, err
}

// logIn stores a token that the remote accepts. A signal leaves the terminal as
// it was.
func (m *commands) logIn(ctx context.Context, name, tokenFile string) error {
	return ui.Interruptible(ctx, func(ctx context.Context) error { return m.logInUntil(ctx, name, tokenFile) })
}

func (m *commands) logInUntil(ctx context.Context, name, tokenFile string) error {
	c, err := m.read()
	if err != nil {
		return err
	}
	r, err := c.Get(name)
	if err != nil {
		if strings.Contains(name, "://") {
			return hint.Wrap(err, "for a registry use sealift registry login")
		}
		return err
	}
	token, err := m.token(ctx, r, tokenFile)
	if err != nil {
		return err
	}
	if err := m.verify(ctx, r, token); err != nil {
		return err
	}
	err = m.files.changeMerged(ctx, func(c *endpoint.Config) error {
		r, err := c.Get(name)
		if err == nil {
			r.Token = token
		}
		return err
	})
	if err == nil {
		m.p.Info("logged in; the token is in %s", m.files.user)
	}
	return err
}
