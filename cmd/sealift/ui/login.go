package ui

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Login is whom a command logs in: its flags, and a question.
type Login struct {
	User, Password string
	stdin          bool
}

// Add adds the flags.
func (l *Login) Add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&l.User, "username", "u", "", "`NAME` of the user")
	Bind(flags, "username", "LOGIN_USERNAME")
	flags.StringVarP(&l.Password, "password", "p", "", "password or token; the variable is safer")
	Bind(flags, "password", "LOGIN_PASSWORD")
	flags.BoolVar(&l.stdin, "password-stdin", false, "read the password from the standard input")
	c.MarkFlagsMutuallyExclusive("password", "password-stdin")
}

// FromEnvironment sets the flags that the environment names, and warns of a
// password that others can see.
func (l *Login) FromEnvironment(p *Process, c *cobra.Command) error {
	if c.Flags().Changed("password") {
		p.Warn("others on this machine can see a password on the command line; --password-stdin hides it")
	}
	return p.FromEnvironment(c.Flags())
}

// Ask sets the password if it is not there yet.
func (l *Login) Ask(ctx context.Context, p *Process) (err error) {
	switch {
	case l.stdin:
		l.Password, err = p.ReadSecret()
	case l.Password == "":
		l.Password, err = p.AskSecret(ctx, "Password / Token: ")
	}
	if err == nil && l.Password == "" {
		err = hint.New("the password is empty", "give one, or a token")
	}
	return err
}
