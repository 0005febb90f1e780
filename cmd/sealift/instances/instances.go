// Package instances is the commands for containers in the background: instance start,
// run, list, logs, stats and stop.
//
// Input: flags, and names of instances. A start executes this program again, as the
// instance's supervisor: it makes the container as package actions does in the
// foreground, serves the image's files, keeps the logs and the state, and ends with the
// container. Output: tables and JSON. What is known of instances is runtime/instance's
// matter.
package instances

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/limits"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/runtime/spec"
)

const help = `

An instance is a container in the background, under a name. Commands such as
sealift exec instance://NAME COMMAND run in it. What it prints is in log files,
which sealift instance logs shows. Its state is in a private directory of the
machine that it runs on: in XDG_RUNTIME_DIR or else /tmp, and in a job of Slurm
apart from those of other jobs.`

// Command returns instance with its subcommands.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "instance", Aliases: []string{"instances"}, Short: "Run containers in the background", Long: "Run containers in the background." + help,
		Args: ui.KnownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(startCommand(p, spec.Start), startCommand(p, spec.Run), listCommand(p), logsCommand(p), StatsCommand(p), stopCommand(p))
	return c
}

// store returns the instances of a user, the caller unless name says otherwise.
func store(p *ui.Process, name string) (*instance.Store, error) {
	in := instance.Inputs{UID: uint32(os.Getuid()), RuntimeDir: p.Variable("XDG_RUNTIME_DIR"), Job: p.Variable("SLURM_JOB_ID")}
	if name != "" {
		if in.UID != 0 {
			return nil, hint.New("only root may look at the instances of others", "leave out --user")
		}
		u, err := user.Lookup(name)
		if _, number := strconv.ParseUint(name, 10, 32); err != nil && number == nil {
			u, err = &user.User{Uid: name}, nil
		}
		if err != nil {
			return nil, hint.Wrap(err, "name a user of /etc/passwd, or give the number")
		}
		n, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		in.UID, in.RuntimeDir, in.Job = uint32(n), "/run/user/"+u.Uid, ""
	}
	return instance.New(in)
}

// userFlag adds --user.
func userFlag(flags *pflag.FlagSet, to *string, usage string) {
	flags.StringVarP(to, "user", "u", "", usage)
	ui.Bind(flags, "user", "USER")
}

// found lists the instances that match, and warns of what cannot be trusted.
func found(p *ui.Process, s *instance.Store, pattern string, ended bool) ([]*instance.Instance, error) {
	list, problems, err := s.List(pattern, ended)
	for _, problem := range problems {
		p.Warn("%v", problem)
	}
	return list, err
}

func closeAll(list []*instance.Instance) {
	for _, i := range list {
		i.Close()
	}
}

// names lists the names of instances that run.
func names(p *ui.Process) (names []string) {
	s, err := store(p, "")
	if err != nil {
		return nil // a shell has nobody to tell
	}
	list, _, _ := s.List("*", false)
	defer closeAll(list)
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// Complete has a shell complete the images of commands: to files, or to instances.
func Complete(p *ui.Process, commands []*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, word string) (list []string, _ cobra.ShellCompDirective) {
			if len(args) > 0 || !strings.HasPrefix(word, "in") {
				return nil, cobra.ShellCompDirectiveDefault
			}
			for _, name := range names(p) {
				list = append(list, actions.InstancePrefix+name)
			}
			return list, cobra.ShellCompDirectiveDefault
		}
	}
	return commands
}

// completeNames has a shell complete the first operand.
func completeNames(p *ui.Process) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(p), cobra.ShellCompDirectiveNoFileComp
	}
}

// Find is actions.Finder.
func Find(p *ui.Process, name string) (*actions.Running, func(), error) {
	s, err := store(p, "")
	if err != nil {
		return nil, nil, err
	}
	i, err := s.Find(name, false)
	if err != nil {
		return nil, nil, err
	}
	defer i.Close()
	r := &actions.Running{}
	if err := json.Unmarshal(i.Container, &r.Container); err != nil && i.Status != instance.Starting {
		return nil, nil, fmt.Errorf("instance %s: its state is malformed: %w", name, err)
	}
	h, err := i.Enter()
	if err != nil {
		return nil, nil, err
	}
	defer h.Close()
	if r.Held.Bounding, r.Held.NoNewPrivs, err = h.Rights(); err != nil {
		return nil, nil, fmt.Errorf("instance %s: %w", name, err)
	}
	n, err := join.Open(h.PID, h.Alive)
	if err != nil {
		return nil, nil, fmt.Errorf("instance %s: %w", name, err)
	}
	r.Job.Enter, r.Root = n.List, sandbox.FS(n.Root)
	r.Job.Enroll = limits.Of(p, h.PID).Enter
	return r, n.Close, nil
}
