// Package registries is the command registry: login, logout and list.
//
// Input: a registry's name, and credentials from flags, the environment, the
// standard input or the terminal. Output: a file of logins that is changed
// (image/oci/logins), after the registry has accepted them.
package registries

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/logins"
	"github.com/sealift/sealift/image/oci/registry"
)

// Command returns registry.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "registry", Short: "Log in to registries of images, and out",
		Long: `Log in to registries of images, and out. Logins are kept as docker login
keeps them, in ~/.apptainer/docker-config.json or, as long as that file is not
there, in ~/.docker/config.json, as Apptainer does it, so that each sees the
other's; --authfile and REGISTRY_AUTH_FILE name another file. Credential helpers
that the file names are used.

A registry is written as docker://HOST[:PORT], oras://HOST[:PORT] or
HOST[:PORT]; a path after it limits the login to that part of the registry.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(loginCommand(p), logoutCommand(p), listCommand(p))
	return c
}

// login is the command's request.
type login struct {
	flags remotes.Flags
	who   ui.Login
}

func loginCommand(p *ui.Process) *cobra.Command {
	var l login
	c := &cobra.Command{
		Use: "login [flags] REGISTRY", Short: "Log in to a registry", Args: one,
		Long: `Log in to a registry. It is asked whether it accepts the user and the
password, or a token in the place of the password, before they are kept. Without
a password, and on a terminal, there is a question for it.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := l.who.FromEnvironment(p, c); err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return l.run(ctx, p, args[0]) })
		},
	}
	l.who.Add(c)
	l.flags.AddRegistry(c.Flags())
	return c
}

func (l *login) run(ctx context.Context, p *ui.Process, where string) error {
	where, err := target(where)
	if err != nil {
		return err
	}
	file, err := l.file(p)
	if err != nil {
		return err
	}
	if l.who.User == "" {
		return hint.New("a login needs the name of a user", "use --username; where only a token counts, the registry's documentation says which name goes with it")
	}
	if err := l.who.Ask(ctx, p); err != nil {
		return err
	}
	host, _, _ := strings.Cut(where, "/")
	x := registry.Credentials{Username: l.who.User, Password: l.who.Password}
	asked, err := l.flags.Client(p).Login(ctx, host, x)
	if err != nil {
		return err
	}
	if !asked {
		p.Warn("%s asks for no login; nobody knows whether the password is right", host)
	}
	if err := logins.Store(ctx, file, where, x); err != nil {
		return err
	}
	p.Info("login of %s at %s kept in %s", l.who.User, where, file)
	return nil
}

// file is where the login goes.
func (l *login) file(p *ui.Process) (string, error) { return fileOf(&l.flags, p) }

func fileOf(f *remotes.Flags, p *ui.Process) (string, error) {
	if file := f.File(p); file != "" {
		return file, nil
	}
	return "", hint.New("there is no file for logins, as HOME is not set", "use --authfile")
}

func logoutCommand(p *ui.Process) *cobra.Command {
	var flags remotes.Flags
	c := &cobra.Command{
		Use: "logout [flags] REGISTRY", Short: "Forget the login at a registry", Args: one,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return logout(c.Context(), p, &flags, args[0])
		},
	}
	flags.AddAuthFile(c.Flags())
	return c
}

func logout(ctx context.Context, p *ui.Process, flags *remotes.Flags, where string) error {
	where, err := target(where)
	if err != nil {
		return err
	}
	file, err := fileOf(flags, p)
	if err != nil {
		return err
	}
	found, err := logins.Erase(ctx, file, where)
	if err != nil {
		return err
	}
	if found {
		p.Info("login at %s removed from %s", where, file)
	} else {
		p.Warn("%s has no login at %s", file, where)
	}
	rest, err := logins.List(flags.Files(p))
	for _, l := range rest {
		if l.Registry == where && l.File != file {
			p.Warn("%s has a login at %s, which is used; 'sealift registry logout --authfile' removes it", l.File, where)
		}
	}
	return err
}

func listCommand(p *ui.Process) *cobra.Command {
	var flags remotes.Flags
	var asJSON bool
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the logins at registries", Args: ui.AtMost(0),
		Long: `List the logins at registries, the first used first, with the files and the
credential helpers that keep them, without passwords.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			list, err := logins.List(flags.Files(p))
			if err != nil {
				return err
			}
			return p.Print(printed(list, asJSON))
		},
	}
	flags.AddAuthFile(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects registry, username, helper, file")
	return c
}

// printed is the list as a table, or as JSON.
func printed(list []logins.Login, asJSON bool) string {
	var b strings.Builder
	if asJSON {
		text, _ := ui.JSON(append([]logins.Login{}, list...), "  ") // of strings
		return text
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REGISTRY\tUSER\tKEPT BY")
	for _, l := range list {
		keeper := l.File
		if l.Helper != "" {
			keeper = "docker-credential-" + l.Helper + ", by " + l.File
		}
		user := l.Username
		if user == "" {
			user = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", ui.Clean(l.Registry), ui.Clean(user), ui.Clean(keeper))
	}
	_ = w.Flush() // to memory
	return b.String()
}

// one wants one operand.
func one(c *cobra.Command, args []string) error {
	return errors.Join(ui.AtLeast(1)(c, args), ui.AtMost(1)(c, args))
}

// target reads the name of a registry and returns HOST[:PORT][/PATH].
func target(text string) (string, error) {
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		if scheme != "docker" && scheme != "oras" {
			return "", hint.New(fmt.Sprintf("%s:// is not for registries of images", scheme), "write docker://HOST[:PORT], oras://HOST[:PORT] or HOST[:PORT]")
		}
		rest = after
	}
	return registry.ParseRegistry(rest)
}
