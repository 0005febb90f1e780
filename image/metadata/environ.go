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

// HostEnvironment is the environment of scripts on the host: the caller's, but
// for settings of Sealift and its peers.
func HostEnvironment(caller []string) []string {
	return slices.DeleteFunc(slices.Clone(caller), func(kv string) bool {
		return slices.ContainsFunc([]string{"SEALIFT", "APPTAINER", "SINGULARITY"}, func(p string) bool {
			return strings.HasPrefix(kv, p+"_") || strings.HasPrefix(kv, p+"ENV_")
		})
	})
}

// passed are the variables of the caller that reach a script.
var passed = []string{
	"TERM", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
}

// Passed returns what of the caller's environment reaches a script: its terminal
// and proxies.
func Passed(caller []string) []string {
	return slices.DeleteFunc(slices.Clone(caller), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(passed, name)
	})
}

// defaultPath are the directories that every PATH of a script has.
var defaultPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// appendPath is the variable by which env/99-runtimevars.sh extends PATH.
const appendPath = "SING_USER_DEFINED_APPEND_PATH"

// ScriptEnvironment is the environment of %post and %test before the scripts
// of the image apply: what is passed of the caller's, and the names of
// EnvironmentFile and LabelsInput. image is what those scripts are known to
// set; its PATH is completed by the usual directories.
func ScriptEnvironment(caller, image []string) []string {
	env := []string{"PATH=" + strings.Join(defaultPath, ":"), "HOME=/root"}
	env = slices.Concat(env, Passed(caller), Variables("ENVIRONMENT", EnvironmentFile), Variables("LABELS", LabelsInput))
	for _, kv := range image {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			env = append(env, appendPath+"="+strings.Join(lacking(path), ":"))
		}
	}
	return env
}

// lacking are the directories of defaultPath that a PATH lacks.
func lacking(path string) []string {
	has := strings.Split(path, ":")
	return slices.DeleteFunc(slices.Clone(defaultPath), func(d string) bool { return slices.Contains(has, d) })
}
