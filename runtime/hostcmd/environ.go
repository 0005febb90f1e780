package hostcmd

import (
	"path"
	"slices"
	"strings"
)

// own are the variables that are about files of one side, or the shell's own business:
// a program gets those of its side. Patterns are path.Match's.
var own = []string{
	"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "SHELL", "ENV", "BASH*", "LD_*", "PYTHON*", "PERL*", "RUBY*", "JAVA*",
	"SEALIFT*", "APPTAINER*", "SINGULARITY*", "TMPDIR", "LANG", "LC_*",
}

// Environ returns the environment of a program of the host: the host's own, with what was
// set, changed or unset in the container since it was started with the environment first.
// What the image sets stays inside.
func Environ(host, first, now []string) []string {
	outside, start, inside := byName(host), byName(first), byName(now)
	changed := func(name string) bool {
		was, there := start[name]
		is, still := inside[name]
		return (there != still || was != is) && !slices.ContainsFunc(own, func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		})
	}
	var env []string
	for _, kv := range host {
		if name, _, _ := strings.Cut(kv, "="); !changed(name) && outside[name] == kv {
			env = append(env, kv)
		}
	}
	for _, kv := range now {
		if name, _, ok := strings.Cut(kv, "="); ok && name != "" && changed(name) && inside[name] == kv {
			env = append(env, kv)
		}
	}
	return env
}

// byName returns variables by their names; the last of a name counts.
func byName(environ []string) map[string]string {
	m := map[string]string{}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		m[name] = kv
	}
	return m
}
