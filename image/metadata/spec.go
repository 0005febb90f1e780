package metadata

import (
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"github.com/sealift/sealift/image/definition"
)

// Spec is what a build adds to the metadata of its base. Empty fields leave
// what the base has.
type Spec struct {
	// Definition is the text of the definition file.
	Definition string
	// Environment, Runscript, Startscript and Test are bodies of scripts, the
	// last three with their #! line.
	Environment, Runscript, Startscript, Test string
	Help                                      string
	// Labels are the recipe's, Auto those of the build. Each overrides what
	// comes before in the order base, Auto, Labels.
	Labels, Auto map[string]string
}

// FromRecipe returns what a stage of an expanded recipe says.
func FromRecipe(r *definition.Recipe, stage *definition.Stage) (Spec, error) {
	s := Spec{Definition: r.Text, Labels: map[string]string{}}
	for _, x := range stage.Sections {
		if x.Name == "labels" {
			for _, l := range x.Labels() {
				s.Labels[l.Key] = l.Value
			}
		}
	}
	for _, script := range []struct {
		name string
		text *string
	}{{"runscript", &s.Runscript}, {"startscript", &s.Startscript}, {"test", &s.Test}} {
		x, ok, err := r.Script(stage, script.name)
		if err != nil {
			return Spec{}, err
		}
		if ok {
			*script.text = x.Executable()
		}
	}
	environment, _ := stage.Section("environment")
	help, _ := stage.Section("help")
	s.Environment, s.Help = environment.Body, help.Body
	return s, nil
}

// Config is the part of an OCI image configuration that turns into metadata.
// See config.md of the OCI image format specification.
type Config struct {
	Env, Entrypoint, Cmd []string
	Labels               map[string]string
}

// Apply returns the metadata of the new image. f, that of the base, is not
// changed. Its definition moves to bootstrap_history, numbered in order, and
// its environment script comes before the new one in the same file.
func (f Files) Apply(s Spec) (Files, error) {
	out := Files{}
	history := 0
	for name, text := range f {
		out[name] = text
		if path.Dir(name) == historyDir {
			history++
		}
	}
	if old, ok := f[Definition]; ok {
		for out[historyName(history)] != "" {
			history++
		}
		out[historyName(history)] = old
	}
	out[Definition] = s.Definition
	out.addEnvironment(s.Environment)
	for name, text := range map[string]string{
		Runscript: s.Runscript, Startscript: s.Startscript, Test: s.Test, Help: s.Help,
	} {
		if text != "" {
			out[name] = text
		}
	}
	return out, out.addLabels(s.Auto, s.Labels)
}

func historyName(n int) string { return path.Join(historyDir, "Apptainer"+strconv.Itoa(n)) }

// addEnvironment adds an environment script, taken literally.
func (f Files) addEnvironment(text string) {
	old, ok := f[recipeEnvironment]
	if !ok {
		old = "#!/bin/sh\n# Environment from the definition.\n"
	}
	if text != "" {
		old = strings.TrimRight(old, "\n") + "\n\n" + text
	}
	f[recipeEnvironment] = old
}

// WithConfig returns the metadata with that of an OCI configuration: a script
// of the variables of Env, the labels, and a runscript that runs Entrypoint
// and Cmd as exact words, with Cmd as the arguments when the user gives none.
// f is not changed.
func (f Files) WithConfig(c *Config) (Files, error) {
	for _, list := range [][]string{c.Env, c.Entrypoint, c.Cmd} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return nil, fmt.Errorf("image configuration: %q holds a NUL byte", s)
			}
		}
	}
	out := maps.Clone(f)
	out[ociEnvironment] = configEnvironment(c.Env)
	out[Runscript] = configRunscript(c)
	return out, out.addLabels(c.Labels)
}

func configEnvironment(env []string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Environment of the OCI image.\n")
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if !isName(name) {
			fmt.Fprintf(&b, "# left out, not a name in sh: %q\n", name)
			continue
		}
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	return b.String()
}

// isName reports whether s is a name by XBD 3.216 of POSIX.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if s[i] != '_' && (c < 'a' || c > 'z') && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// The second line of a runscript that WithConfig makes.
const (
	configComment   = "# ENTRYPOINT and CMD of the OCI image."
	noConfigComment = "# The OCI image has neither ENTRYPOINT nor CMD."
)

func configRunscript(c *Config) string {
	if len(c.Entrypoint)+len(c.Cmd) == 0 {
		return "#!/bin/sh\n" + noConfigComment + `
if [ $# -eq 0 ]; then
    echo 'this image has no ENTRYPOINT, CMD or %runscript: name a command to run' >&2
    exit 127
fi
exec "$@"
`
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n" + configComment + "\n")
	if len(c.Cmd) > 0 {
		fmt.Fprintf(&b, "if [ $# -eq 0 ]; then\n    set --%s\nfi\n", quoteAll(c.Cmd))
	}
	fmt.Fprintf(&b, "exec%s \"$@\"\n", quoteAll(c.Entrypoint))
	return b.String()
}

// quote returns s as one word of sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteAll(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(" " + quote(w))
	}
	return b.String()
}
