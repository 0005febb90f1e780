package metadata

import (
	"path"
	"slices"
	"strings"
)

// runsConfig are lines of runscripts that were made of an OCI configuration: by
// WithConfig, and by Apptainer and SingularityCE, which begin with the words as
// variables.
var runsConfig = []string{configComment, noConfigComment, "OCI_ENTRYPOINT="}

// RunsConfig tells whether the runscript is one that does no more than to run
// ENTRYPOINT and CMD of an OCI image's configuration.
func (f Files) RunsConfig() bool {
	for line := range strings.Lines(f[Runscript]) {
		if slices.ContainsFunc(runsConfig, func(p string) bool { return strings.HasPrefix(line, p) }) {
			return true
		}
	}
	return false
}

// SetsEnvironment tells whether an environment script does anything that neither
// every image's do nor the configuration of an OCI image says.
func (f Files) SetsEnvironment() bool {
	for name, text := range f {
		if path.Dir(name) != envDir || name == ociEnvironment || slices.Contains(usual, name) {
			continue
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				return true
			}
		}
	}
	return false
}
