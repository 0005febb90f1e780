package root

import (
	"encoding/csv"
	"strings"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// taskPrefix is what the variables start with by which the SPANK plugin of
// runtime/slurm/spank says what to run. They end here.
const taskPrefix = "SEALIFT_TASK_"

// task has a task of Slurm's be run in the container that srun --sealift asked for.
func task(p *ui.Process) error {
	said, environ := map[string]string{}, []string{}
	for _, kv := range p.Environ {
		rest, ours := strings.CutPrefix(kv, taskPrefix)
		if name, value, _ := strings.Cut(rest, "="); ours {
			said[name] = value
		} else {
			environ = append(environ, kv)
		}
	}
	if said["IMAGE"] == "" || said["COMMAND"] == "" {
		return hint.New(buildcfg.TaskName+" is for Slurm, whose plugin tells it what to run", "use sealift exec, or srun --sealift=IMAGE")
	}
	more, err := words(said["ARGS"])
	if err != nil {
		return err
	}
	args := []string{"exec"}
	if mounts := said["MOUNTS"]; mounts != "" {
		args = append(args, "--bind", mounts)
	}
	if script := said["SCRIPT"]; script != "" { // in a directory of slurmd's
		args = append(args, "--mount", record("type=bind", "source="+script, "destination="+script, "ro"))
	}
	if dir := said["WORKDIR"]; dir != "" {
		args = append(args, "--cwd", dir)
	}
	args = append(append(args, more...), "--", said["IMAGE"], said["COMMAND"])
	p.Name, p.Args, p.Environ = "sealift", append(args, p.Args...), environ
	return nil
}

// record returns a value of --mount, whose grammar is that of CSV.
func record(fields ...string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // to memory
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// words splits text at blanks; ', " and \ quote as in a shell, and nothing is expanded.
func words(text string) (list []string, err error) {
	var word strings.Builder
	var quote rune
	within, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, within = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, within = r, true
		case strings.ContainsRune(" \t\n", r):
			if within {
				list = append(list, word.String())
			}
			word.Reset()
			within = false
		default:
			word.WriteRune(r)
			within = true
		}
	}
	if quote != 0 || escaped {
		return nil, hint.New("--sealift-args="+text+": a quote is not closed", "quote as in a shell, such as --sealift-args='--nv --env \"A=x y\"'")
	}
	if within {
		list = append(list, word.String())
	}
	return list, nil
}
