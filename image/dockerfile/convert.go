package dockerfile

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// convert describes a command of BuildKit's. The origins are those of its
// --from or of its mounts; expanded tells that its variables are filled in,
// so that every value must be right.
func (f *form) convert(command any, expanded bool) (steps.Instruction, error) {
	switch c := command.(type) {
	case *instructions.RunCommand:
		return convertRun(c, f, expanded || f.isConstant())
	case *instructions.CopyCommand:
		var from steps.Origin
		if len(f.origins) > 0 {
			from = f.origins[0]
		}
		return convertCopy(c, from, expanded)
	case *instructions.AddCommand:
		return convertAdd(c, expanded)
	case *instructions.EntrypointCommand:
		line, err := convertLine("ENTRYPOINT", c.ShellDependantCmdLine)
		return steps.Entrypoint{Command: line}, err
	case *instructions.CmdCommand:
		line, err := convertLine("CMD", c.ShellDependantCmdLine)
		return steps.Cmd{Command: line}, err
	}
	return convertPlain(command)
}

// convertPlain describes the commands that are just their words.
func convertPlain(command any) (steps.Instruction, error) {
	switch c := command.(type) {
	case *instructions.EnvCommand:
		return steps.Env(convertPairs(c.Env)), nil
	case *instructions.LabelCommand:
		return steps.Label(convertPairs(c.Labels)), nil
	case *instructions.WorkdirCommand:
		return steps.Workdir(c.Path), nil
	case *instructions.UserCommand:
		return steps.User(c.User), nil
	case *instructions.ShellCommand:
		return steps.Shell(c.Shell), nil
	case *instructions.VolumeCommand:
		return steps.Volume(c.Volumes), nil
	case *instructions.HealthCheckCommand:
		return steps.Healthcheck(*c.Health), nil
	case *instructions.OnbuildCommand:
		return steps.Onbuild(c.Expression), nil
	case *instructions.StopSignalCommand:
		return steps.StopSignal(c.Signal), nil
	case *instructions.ExposeCommand:
		return steps.Expose(c.Ports), nil
	case *instructions.MaintainerCommand:
		return steps.Maintainer(c.Maintainer), nil
	}
	return nil, fmt.Errorf("instruction %T is not supported", command)
}

func convertPairs(list instructions.KeyValuePairs) []steps.Pair {
	var converted []steps.Pair
	for _, p := range list {
		converted = append(converted, steps.Pair{Name: p.Key, Value: p.Value})
	}
	return converted
}

// convertLine takes the command of a container. An empty list is one: it
// takes back what the base image has.
func convertLine(keyword string, c instructions.ShellDependantCmdLine) (steps.Command, error) {
	if c.PrependShell && len(c.CmdLine) == 0 {
		return steps.Command{}, fmt.Errorf("%s without a command", keyword)
	}
	return steps.Command{Words: c.CmdLine, Shell: c.PrependShell}, nil
}
