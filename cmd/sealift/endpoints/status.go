package endpoints

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/library/endpoint"
)

func (m *commands) list() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the remotes", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			c, err := m.read()
			if err != nil {
				return err
			}
			if asJSON {
				return m.p.PrintJSON(described(c))
			}
			return m.p.Print(table(c))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects name, uri, default, global, exclusive, secure, token")
	return c
}

// remote is one as JSON has it; token says that there is one.
type remote struct {
	Name      string `json:"name"`
	URI       string `json:"uri"`
	Default   bool   `json:"default"`
	Global    bool   `json:"global"`
	Exclusive bool   `json:"exclusive"`
	Secure    bool   `json:"secure"`
	Token     bool   `json:"token"`
}

// described are the remotes for JSON.
func described(c *endpoint.Config) []remote {
	list := []remote{}
	for _, name := range slices.Sorted(maps.Keys(c.Remotes)) {
		r := c.Remotes[name]
		list = append(list, remote{name, r.URI, name == c.Active, r.System, r.Exclusive, !r.Insecure, r.Token != ""})
	}
	return list
}

// table has a line for each remote. A blank line is in front, as Apptainer's
// callers expect.
func table(c *endpoint.Config) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nNAME\tURI\tDEFAULT?\tGLOBAL?\tEXCLUSIVE?\tSECURE?\n")
	tick := func(is bool) string {
		if is {
			return "✓"
		}
		return ""
	}
	for _, r := range described(c) {
		secure := "✓"
		if !r.Secure {
			secure = "✗!"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", ui.Clean(r.Name), ui.Clean(r.URI), tick(r.Default), tick(r.Global), tick(r.Exclusive), secure)
	}
	_ = w.Flush() // to memory
	return b.String()
}

func (m *commands) status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "status [flags] [NAME]", Short: "Ask a remote, or the one in use, for its services and whether it knows you", Args: ui.AtMost(1),
		RunE: func(c *cobra.Command, args []string) error {
			known, err := m.read()
			if err != nil {
				return err
			}
			r, err := known.Get(strings.Join(args, ""))
			if err != nil {
				return err
			}
			s, err := library.Discover(c.Context(), m.via, r.URL())
			if err != nil {
				return err
			}
			found := state{Services: m.services(c.Context(), s)}
			err = m.identity(c.Context(), s, r.Token, &found)
			if asJSON {
				return errors.Join(m.p.PrintJSON(found), err)
			}
			return errors.Join(m.p.Print(found.table()), err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: services, each with name, answers, version and uri; loggedIn, user and email")
	return c
}

// state is that of a remote, as JSON has it.
type state struct {
	Services []service `json:"services"`
	LoggedIn bool      `json:"loggedIn"`
	User     string    `json:"user,omitempty"`
	Email    string    `json:"email,omitempty"`

	refused bool // the token that there is
}

// service is one of a remote; answers says that it told its version.
type service struct {
	Name    string `json:"name"`
	Answers bool   `json:"answers"`
	Version string `json:"version,omitempty"`
	URI     string `json:"uri"`
}

// services asks each service for its version.
func (m *commands) services(ctx context.Context, s library.Services) []service {
	list := make([]service, len(s))
	var asked sync.WaitGroup
	for i, name := range slices.Sorted(maps.Keys(s)) {
		asked.Go(func() {
			version, err := library.Version(ctx, m.via, s[name])
			list[i] = service{name, err == nil, version, s[name]}
		})
	}
	asked.Wait()
	return list
}

// table has a line for each service, and then who one is.
func (s *state) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "SERVICE\tSTATUS\tVERSION\tURI\n")
	for _, x := range s.Services {
		status := "N/A"
		if x.Answers {
			status = "OK"
		}
		title := strings.ToUpper(x.Name[:min(1, len(x.Name))]) + x.Name[min(1, len(x.Name)):]
		fmt.Fprint(w, ui.Clean(fmt.Sprintf("%s\t%s\t%s\t%s\n", title, status, x.Version, x.URI)))
	}
	_ = w.Flush() // to memory
	switch {
	case s.refused:
	case !s.LoggedIn:
		b.WriteString("\nNo authentication token set (logged out).\n")
	default:
		if s.User != "" {
			fmt.Fprintf(&b, "\nLogged in as: %s <%s>\n", ui.Clean(s.User), ui.Clean(s.Email))
		}
		b.WriteString("\nValid authentication token set (logged in).\n")
	}
	return b.String()
}

// identity finds who the token says that one is. A token that is not accepted
// is an error.
func (m *commands) identity(ctx context.Context, s library.Services, token string, found *state) error {
	if token == "" {
		return nil
	}
	if err := s.CheckToken(ctx, m.via, token); err != nil {
		found.refused = true
		return hint.Wrap(err, "log in again: sealift remote login")
	}
	found.LoggedIn = true
	if s["library"] == "" {
		return nil
	}
	l, err := library.New(s["library"], token, m.via)
	if err != nil {
		return err
	}
	if u, err := l.User(ctx); err == nil { // not every library knows users
		found.User, found.Email = u.Name, u.Email
	}
	return nil
}

func (m *commands) password() *cobra.Command {
	return &cobra.Command{
		Use: "get-login-password", Short: "Print the password for the registry behind the remote's library", Args: ui.AtMost(0),
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := m.files.library(c.Context(), m.via, "", library.Reference{}, false)
			if err != nil {
				return err
			}
			u, err := l.User(c.Context())
			if err == nil && u.Secret == "" {
				err = hint.New("the library has no password for its registry", "log in: sealift remote login")
			}
			if err != nil {
				return err
			}
			return m.p.Print(u.Secret + "\n")
		},
	}
}

// verify asks the remote whether it knows a token.
func (m *commands) verify(ctx context.Context, r *endpoint.Remote, token string) error {
	s, err := library.Discover(ctx, m.via, r.URL())
	if err != nil {
		return err
	}
	return s.CheckToken(ctx, m.via, token)
}

// maxToken bounds a token's file in bytes.
const maxToken = 64 << 10

// token reads a token from a file, the terminal or the standard input.
func (m *commands) token(ctx context.Context, r *endpoint.Remote, path string) (token string, err error) {
	switch {
	case path != "":
		token, err = readToken(path)
	case m.p.Interactive():
		m.p.Info("make a token at %s/auth/tokens", r.URL())
		token, err = m.p.AskSecret(ctx, "Access Token: ")
		err = hint.Wrap(err, "give the token on the standard input, or use --tokenfile")
	default:
		token, err = m.p.ReadSecret()
	}
	token = strings.TrimSpace(token)
	if err == nil && (token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' })) {
		err = hint.New("this is no token", "copy the token from the remote's web page")
	}
	return token, err
}

func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	return string(text), errors.Join(err, f.Close())
}
