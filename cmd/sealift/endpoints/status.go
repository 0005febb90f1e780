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
	return &cobra.Command{
		Use: "list", Short: "List the remotes", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			c, err := m.read()
			if err != nil {
				return err
			}
			return m.p.Print(table(c))
		},
	}
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
	for _, name := range slices.Sorted(maps.Keys(c.Remotes)) {
		r := c.Remotes[name]
		secure := "✓"
		if r.Insecure {
			secure = "✗!"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", ui.Clean(name), ui.Clean(r.URI), tick(name == c.Active), tick(r.System), tick(r.Exclusive), secure)
	}
	_ = w.Flush() // to memory
	return b.String()
}

func (m *commands) status() *cobra.Command {
	return &cobra.Command{
		Use: "status [NAME]", Short: "Ask a remote, or the one in use, for its services and whether it knows you", Args: ui.AtMost(1),
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
			if err := m.p.Print(m.services(c.Context(), s)); err != nil {
				return err
			}
			return m.identity(c.Context(), s, r.Token)
		},
	}
}

// services has a line for each service, which is asked for its version.
func (m *commands) services(ctx context.Context, s library.Services) string {
	names := slices.Sorted(maps.Keys(s))
	lines := make([]string, len(names))
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() {
			status := "OK"
			version, err := library.Version(ctx, m.via, s[name])
			if err != nil {
				status = "N/A"
			}
			title := strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
			lines[i] = ui.Clean(fmt.Sprintf("%s\t%s\t%s\t%s\n", title, status, version, s[name]))
		})
	}
	asked.Wait()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "SERVICE\tSTATUS\tVERSION\tURI\n", strings.Join(lines, ""))
	_ = w.Flush() // to memory
	return b.String()
}

// identity tells who the token says that one is. A token that is not accepted
// is an error.
func (m *commands) identity(ctx context.Context, s library.Services, token string) error {
	if token == "" {
		return m.p.Print("\nNo authentication token set (logged out).\n")
	}
	if err := s.CheckToken(ctx, m.via, token); err != nil {
		return hint.Wrap(err, "log in again: sealift remote login")
	}
	text := "\nValid authentication token set (logged in).\n"
	if s["library"] != "" {
		l, err := library.New(s["library"], token, m.via)
		if err != nil {
			return err
		}
		// Not every library knows users.
		if u, err := l.User(ctx); err == nil && u.Name != "" {
			text = fmt.Sprintf("\nLogged in as: %s <%s>\n%s", ui.Clean(u.Name), ui.Clean(u.Email), text)
		}
	}
	return m.p.Print(text)
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
