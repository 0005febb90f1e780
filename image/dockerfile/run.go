package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

// mountOptions returns the values of the --mount flags of a RUN.
func mountOptions(n *parser.Node) []string {
	var options []string
	for _, flag := range n.Flags {
		if value, ok := strings.CutPrefix(flag, "--mount="); ok {
			options = append(options, value)
		}
	}
	return options
}

// convertRun describes a RUN, whose mounts may have been evaluated.
func convertRun(c *instructions.RunCommand, f *form, evaluated bool) (steps.Instruction, error) {
	if instructions.GetSecurity(c) != instructions.SecuritySandbox {
		return nil, hint.New("--security=insecure; expected sandbox, the default", "leave it out: no privilege of the host can be given")
	}
	if len(instructions.GetDevices(c)) > 0 {
		return nil, hint.New("--device cannot be given to a build", "leave it out, and give the device to the container that runs")
	}
	run := steps.Run{Network: instructions.GetNetwork(c)}
	if err := setCommand(&run, c); err != nil {
		return nil, err
	}
	options := mountOptions(f.node)
	for i, m := range instructions.GetMounts(c) {
		mount := steps.Mount{Options: options[i]}
		if evaluated {
			var err error
			if mount, err = convertMount(m, options[i]); err != nil {
				return nil, err
			}
		}
		mount.From = f.origins[i]
		if unnamed := mount.From.Kind == steps.OfContext; unnamed && mount.Type != "" && mount.Type != "bind" {
			mount.From.Kind = steps.OfScratch
		}
		run.Mounts = append(run.Mounts, mount)
	}
	return run, nil
}

// setCommand sets what to run. Here-documents are left to the shell, but for one
// that is the whole line: that is the script, or a program if it begins with #!.
func setCommand(r *steps.Run, c *instructions.RunCommand) error {
	r.Command = steps.Command{Words: slices.Clone(c.CmdLine), Shell: c.PrependShell}
	if len(c.CmdLine) == 0 {
		return errors.New("RUN without a command")
	}
	if len(c.Files) == 0 {
		return nil
	}
	if heredoc := parser.MustParseHeredoc(c.CmdLine[0]); heredoc == nil {
		for _, f := range c.Files {
			r.Words[0] += "\n" + f.Data + f.Name
		}
		return nil
	}
	data := c.Files[0].Data
	if c.Files[0].Chomp {
		data = parser.ChompHeredocContent(data)
	}
	r.Words = []string{data}
	if strings.HasPrefix(data, "#!") {
		r.File = &steps.File{Path: path.Join("/dev/pipes", path.Base(c.Files[0].Name)), Data: data}
		r.Words = []string{r.File.Path}
	}
	return nil
}

func convertMount(m *instructions.Mount, options string) (steps.Mount, error) {
	to := steps.Mount{
		Options: options, Type: string(m.Type), Source: path.Join("/", m.Source), Target: m.Target, ReadOnly: m.ReadOnly,
		ID: m.CacheID, Sharing: string(m.CacheSharing), Size: m.SizeLimit, Required: m.Required,
		Mode: number(m.Mode, 0o755), UID: number(m.UID, 0), GID: number(m.GID, 0),
	}
	switch m.Type {
	case instructions.MountTypeSSH:
		return steps.Mount{}, hint.New(fmt.Sprintf("mount %q is of type ssh; expected bind, cache, tmpfs or secret", options),
			"give the key as a secret")
	case instructions.MountTypeSecret:
		return secret(to, m), nil
	case instructions.MountTypeCache:
		if to.ID == "" {
			to.ID = path.Clean(m.Target)
		}
		if to.Sharing == "" {
			to.Sharing = string(instructions.MountSharingShared)
		}
	}
	if to.Target == "" {
		return steps.Mount{}, fmt.Errorf("mount %q has no target", options)
	}
	return to, nil
}

// secret fills in the defaults of a secret: its id is that of the file it
// goes to, which is in /run/secrets unless it becomes a variable.
func secret(to steps.Mount, m *instructions.Mount) steps.Mount {
	to.Mode = number(m.Mode, 0o400)
	if m.Source != "" {
		to.ID = m.Source
	}
	if to.ID == "" {
		to.ID = path.Base(m.Target)
	}
	if m.Env != nil {
		if to.Env = *m.Env; to.Env == "" {
			to.Env = to.ID
		}
	} else if to.Target == "" {
		to.Target = "/run/secrets/" + path.Base(to.ID)
	}
	return to
}

func number(value *uint64, otherwise uint32) uint32 {
	if value == nil {
		return otherwise
	}
	return uint32(*value)
}
