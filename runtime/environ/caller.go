package environ

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// batchNames are patterns of the variables by which batch systems and MPI
// launchers talk to their processes. --cleanenv keeps them: without them every
// rank would believe to be alone.
var batchNames = []string{"SLURM_*", "SLURMD_*", "PMI*", "OMPI_*", "PRTE_*", "PALS_*", "FLUX_*",
	"HYDRA_*", "HYDI_*", "MPI_LOCAL*", "MPIEXEC_*", "I_MPI_HYDRA_*", "MV2_COMM_WORLD_*"}

// deviceNames select the devices that a batch system has given to the job.
// Without them a rank would take those of others.
var deviceNames = []string{"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
	"GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"}

// basicNames are the terminal and the way to the network, which Apptainer's
// --cleanenv keeps, too.
var basicNames = []string{"TERM", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// keptNames are patterns of the variables that --cleanenv keeps.
var keptNames = slices.Concat(basicNames, deviceNames, batchNames)

// ownedNames are set by Sealift, by the image, or by every shell for itself.
var ownedNames = []string{"HOME", "PATH", "LD_LIBRARY_PATH", "PWD", "OLDPWD", "_", "UID", "EUID", "PPID", "SHELLOPTS",
	"BASHOPTS", "BASH_VERSINFO", "IFS", "OPTIND"}

// checkPatterns refuses a pattern of an option that can match nothing.
func checkPatterns(option string, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return hint.Wrap(fmt.Errorf("%s %q: %w", option, p, err), "use * for any letters, ? for one, and [abc] for one of these")
		}
	}
	return nil
}

// matching returns the first of patterns that name is in, or the empty string.
func matching(patterns []string, name string) string {
	for _, p := range patterns {
		if p == name {
			return p
		}
		if ok, err := path.Match(p, name); ok && err == nil {
			return p
		}
	}
	return ""
}

// forwarded are the caller's variables that go into the container, and those
// that do not, with the reason. Of several with one name the last counts.
func (in *Inputs) forwarded() (vars, left []variable) {
	at := map[string]int{} // where a name is in vars
	for _, entry := range in.Caller {
		name, value, _ := strings.Cut(entry, "=")
		v := variable{name: name, value: value, literal: true}
		var ok bool
		if v.origin, ok = in.forwards(entry); !ok {
			left = append(left, v)
			continue
		}
		if i, again := at[name]; again {
			vars[i] = v
			continue
		}
		at[name] = len(vars)
		vars = append(vars, v)
	}
	if _, kept := at["LANG"]; in.Clean && !kept {
		vars = append(vars, variable{name: "LANG", value: "C", literal: true, origin: "--cleanenv"})
	}
	return vars, left
}

// forwards says whether an entry of the caller's environment goes into the
// container, and why or why not.
func (in *Inputs) forwards(entry string) (why string, ok bool) {
	name, _, assigned := strings.Cut(entry, "=")
	drop, keep := matching(in.Drop, name), matching(in.Keep, name)
	switch {
	case !assigned || !validName(name):
		return "not a name in sh", false
	case ours(name):
		return "a setting of Sealift", false
	case slices.Contains(ownedNames, name):
		return "the container has its own", false
	case drop != "":
		return "--no-env " + drop, false
	case !in.Clean:
		return "the caller", true
	case keep != "":
		return "the caller; --env-keep " + keep, true
	case matching(keptNames, name) != "":
		return "the caller; kept by --cleanenv", true
	}
	return "--cleanenv", false
}

// ours says whether a variable is addressed to Sealift and its like.
func ours(name string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return strings.HasPrefix(name, p+"_") || strings.HasPrefix(name, p+"ENV_")
	})
}

// validName says whether a shell accepts name as that of a variable.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// lookup returns a variable of an environment, or the empty string.
func lookup(environ []string, name string) string {
	for _, e := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
