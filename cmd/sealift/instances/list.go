package instances

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
)

const listHelp = `

A pattern such as 'db*' selects names. PID is the number of the first process of
the container.

With --json there is one object: instances, an array of objects with instance,
pid, ip, img, logErrPath and logOutPath, as Apptainer has them, and status,
health, restarts, exit, since and job.`

// listCommand returns instance list.
func listCommand(p *ui.Process) *cobra.Command {
	var asJSON, logs, all bool
	var of string
	c := &cobra.Command{
		Use: "list [flags] [PATTERN]", Aliases: []string{"ls"}, Short: "List the instances that run", Long: "List the instances that run." + listHelp,
		Example: "  sealift instance list\n  sealift instance list --json 'db*'", Args: ui.AtMost(1), ValidArgsFunction: completeNames(p),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			if asJSON && logs {
				return hint.New("--json and --logs exclude each other", "--json has the paths of the logs")
			}
			s, err := store(p, of)
			if err != nil {
				return err
			}
			list, err := found(p, s, append(args, "*")[0], all)
			defer closeAll(list)
			if err != nil {
				return err
			}
			return p.Buffered(func(w io.Writer) error {
				if asJSON {
					return printJSON(w, list)
				}
				return printTable(w, list, logs, all)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&asJSON, "json", "j", false, "print JSON")
	ui.Bind(flags, "json", "JSON")
	flags.BoolVarP(&logs, "logs", "l", false, "show the paths of the log files")
	ui.Bind(flags, "logs", "LOGS")
	flags.BoolVarP(&all, "all", "a", false, "show those that have failed, too, and the state of each")
	ui.Bind(flags, "all", "ALL")
	userFlag(flags, &of, "list the instances of this `user` (root only)")
	return c
}

// listed is an instance in JSON.
type listed struct {
	Instance string    `json:"instance"`
	PID      int       `json:"pid"`
	Image    string    `json:"img"`
	IP       string    `json:"ip"` // a network of its own has no address that others reach
	LogErr   string    `json:"logErrPath"`
	LogOut   string    `json:"logOutPath"`
	Status   string    `json:"status"`
	Health   string    `json:"health,omitempty"`
	Restarts int       `json:"restarts"`
	Exit     int       `json:"exit"`
	Since    time.Time `json:"since"`
	Job      string    `json:"job"`
}

func printJSON(w io.Writer, list []*instance.Instance) error {
	all := []listed{}
	for _, i := range list {
		all = append(all, listed{
			Instance: i.Name, PID: i.Init.PID, Image: i.Image, LogErr: i.Err, LogOut: i.Out,
			Status: i.Status, Health: i.Health, Restarts: i.Restarts, Exit: i.Exit, Since: i.Since, Job: i.Job,
		})
	}
	return writeJSON(w, map[string]any{"instances": all})
}

func writeJSON(w io.Writer, what any) error {
	text, err := ui.JSON(what, "\t")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

func printTable(to io.Writer, list []*instance.Instance, logs, all bool) error {
	w := table(to)
	switch {
	case logs:
		fmt.Fprintln(w, "INSTANCE NAME\tPID\tLOGS")
	case all:
		fmt.Fprintln(w, "INSTANCE NAME\tPID\tIP\tIMAGE\tSTATE")
	default:
		fmt.Fprintln(w, "INSTANCE NAME\tPID\tIP\tIMAGE")
	}
	for _, i := range list {
		switch image := ui.Clean(i.Image); {
		case logs:
			fmt.Fprintf(w, "%s\t%d\t%s\n\t\t%s\n", i.Name, i.Init.PID, i.Err, i.Out)
		case all:
			fmt.Fprintf(w, "%s\t%d\t\t%s\t%s\n", i.Name, i.Init.PID, image, state(i))
		default:
			fmt.Fprintf(w, "%s\t%d\t\t%s\n", i.Name, i.Init.PID, image)
		}
	}
	return w.Flush()
}

// table returns columns with the blanks of Apptainer's.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 4, ' ', 0) }

// state is an instance's state in words.
func state(i *instance.Instance) string {
	text := i.Status
	switch {
	case i.Status == instance.Ended:
		text += fmt.Sprintf(" with status %d", i.Exit)
	case i.Health != "" && i.Status == instance.Running:
		text += ", " + i.Health
		if i.Health == healthStarting {
			text = "running, not checked yet"
		}
	}
	if i.Restarts > 0 {
		text += fmt.Sprintf(", restarts: %d", i.Restarts)
	}
	return text
}
