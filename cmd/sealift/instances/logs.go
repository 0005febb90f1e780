package instances

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

// logsCommand returns instance logs.
func logsCommand(p *ui.Process) *cobra.Command {
	var follow, stderr bool
	c := &cobra.Command{
		Use: "logs [flags] NAME", Short: "Show what an instance prints",
		Long: `Show what an instance prints: its standard output, or its standard error, in
which Sealift tells of restarts and checks. That of an instance that has failed
is kept until another one gets its name, or 'sealift instance stop' is told its
name.`,
		Example: "  sealift instance logs db\n  sealift instance logs --follow --err db",
		Args:    cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)), ValidArgsFunction: completeNames(p),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return logs(p, args[0], follow, stderr)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "go on until the instance ends")
	flags.BoolVar(&stderr, "err", false, "show the standard error")
	return c
}

// followEvery is how often a log is looked at.
const followEvery = 200 * time.Millisecond

func logs(p *ui.Process, name string, follow, stderr bool) error {
	s, err := store(p, "")
	if err != nil {
		return err
	}
	i, err := s.Find(name, true)
	if err != nil {
		return err
	}
	defer i.Close()
	r := i.Read(stderr)
	defer r.Close()
	for {
		h, gone := i.Supervisor.Open(i.UID())
		if err := r.Copy(p.Out); err != nil || !follow || !i.Alive() || gone != nil {
			return ui.Gone(err)
		}
		h.Wait(followEvery)
		h.Close()
	}
}
