package metadata

import (
	"slices"
	"strings"
)

// Variables returns an environment's NAME=value for a name under the prefixes
// of Sealift and of its peers.
func Variables(name, value string) []string {
	return []string{"SEALIFT_" + name + "=" + value, "APPTAINER_" + name + "=" + value, "SINGULARITY_" + name + "=" + value}
}

// passed are the variables of the caller that reach a script.
var passed = []string{
	"TERM", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
}

// defaultPath are the directories that every PATH of a script has.
var defaultPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// ScriptEnvironment is the environment of %post and %test: what is passed of
// the caller's, over that the image's own, and the names of EnvironmentFile
// and LabelsInput. The image's PATH is completed by the usual directories.
func ScriptEnvironment(caller, image []string) []string {
	env := []string{"PATH=", "HOME=/root"}
	for _, kv := range caller {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(passed, name) {
			env = append(env, kv)
		}
	}
	env = slices.Concat(env, image, Variables("ENVIRONMENT", EnvironmentFile), Variables("LABELS", LabelsInput))
	env = lastWins(env)
	env[0] = completePath(env[0])
	return env
}

// completePath adds to PATH=… the directories of defaultPath that it lacks.
func completePath(kv string) string {
	_, value, _ := strings.Cut(kv, "=")
	dirs := strings.FieldsFunc(value, func(r rune) bool { return r == ':' })
	for _, d := range defaultPath {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return "PATH=" + strings.Join(dirs, ":")
}

// lastWins keeps the last value of each name, in the place of the first.
func lastWins(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if i, ok := at[name]; ok {
			out[i] = kv
			continue
		}
		at[name] = len(out)
		out = append(out, kv)
	}
	return out
}
