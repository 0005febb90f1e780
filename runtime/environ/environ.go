// Package environ decides which variables the payload of a container gets, and
// what else follows from variables: which descriptors it keeps (KeptFDs). It
// also holds the scripts that set them for other programs (Actions).
//
// Input: the caller's variables, what the user wants set, and the names of the
// image's environment scripts. Output: the variables, when the scripts are
// simple enough to be evaluated in this process; otherwise a command line for
// the image's /bin/sh that makes the same variables and then runs the payload.
// The package reads no environment and opens no file of its own.
package environ

import (
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/bind"
)

// defaultPath is the PATH that scripts start with and that a container without
// any gets.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prefixes begin the names of the variables of this program and of those whose
// interface it shares, in the order in which they count.
var prefixes = []string{"SEALIFT", "APPTAINER", "SINGULARITY"}

// variable is NAME=value; literal values are not subject to expansion.
type variable struct {
	name, value string
	literal     bool
}

// Inputs is what the environment follows from.
type Inputs struct {
	// Caller is the caller's environment, NAME=value.
	Caller []string
	// Set are values of --env, lists of assignments NAME=value that beat
	// everything else, Files texts of such assignments in shell syntax. Drop names variables of the caller
	// that stay outside.
	Set   []string
	Files []File
	Drop  []string
	// Clean keeps the caller's variables out, but for those of batch systems.
	// NoEval takes the values of Set, and of variables such as SEALIFTENV_X,
	// literally; otherwise they are expanded like double-quoted text.
	Clean, NoEval bool

	// Home and Dir are the home and working directories in the container.
	Home, Dir string
	// Scripts are the image's environment scripts: absolute paths, in order.
	Scripts []string
	// Image is the absolute host path of the image, App the application of it,
	// Command the action, Shell the program of --shell, Binds the targets of the
	// user's binds.
	Image, App, Command, Shell string
	Binds                      []string
	// Prompt is the PS1 of an interactive shell, or empty.
	Prompt string
}

// File is a text and its name for messages.
type File struct{ Name, Text string }

// Environment says how the payload's variables come about: the image's scripts
// run with base set; after 99-base.sh the injected variables are set; then the
// paths are extended, the caller's variables are added where the scripts left
// a name alone, and final is set. A variable of the caller that the image sets
// to nothing is removed.
type Environment struct {
	base     []variable
	scripts  []string // absolute paths, in order
	injected []variable
	paths    []pathEdit
	caller   []variable
	final    []variable
	notes    []string
	// complete has directories that the image's own PATH lacks added to it
	// where the script that holds an OCI image's variables has set it.
	complete bool
}

// pathEdit replaces or extends a list of directories.
type pathEdit struct{ name, replace, prepend, append string }

// New decides on all variables. The error is about the user's own input.
func New(in Inputs) (*Environment, error) {
	e := &Environment{scripts: in.Scripts, caller: in.forwarded(), complete: true}
	vars, err := in.injected()
	if err != nil {
		return nil, err
	}
	e.sort(vars)
	e.caller = slices.DeleteFunc(e.caller, func(v variable) bool { return e.injects(v.name) })
	home := variable{name: "HOME", value: in.Home}
	about := in.described()
	e.base = append([]variable{home, {name: "PATH", value: defaultPath}, {name: "PWD", value: in.Dir}}, about...)
	e.final = append([]variable{home}, about...)
	if host := lookup(in.Caller, "PATH"); host != "" && !in.Clean {
		e.final = append(e.final, variable{name: "USER_PATH", value: host})
	}
	if in.Prompt != "" && !e.injects("PS1") {
		e.final = append(e.final, variable{name: "PS1", value: in.Prompt})
	}
	return e, nil
}

// Over returns the environment that an image's scripts make of environ. Nothing
// is added to it.
func Over(environ, scripts []string) *Environment {
	e := &Environment{scripts: scripts}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && validName(name) {
			e.base = append(e.base, variable{name: name, value: value})
		}
	}
	return e
}

// Notes are remarks for the user, one line each.
func (e *Environment) Notes() []string { return e.notes }

// described are the variables that tell the payload where it runs, under all
// three prefixes, as scripts written for either program expect. The image's
// scripts see them too: they set up the application that one of them names.
func (in *Inputs) described() []variable {
	facts := []variable{
		{name: "CONTAINER", value: in.Image}, {name: "NAME", value: path.Base(in.Image)},
		{name: "APPNAME", value: in.App}, {name: "COMMAND", value: in.Command}, {name: "SHELL", value: in.Shell},
		{name: "ENVIRONMENT", value: "/.singularity.d/env/91-environment.sh"},
		{name: "BIND", value: bind.Join(in.Binds)},
	}
	if in.NoEval {
		facts = append(facts, variable{name: "NO_EVAL", value: "1"})
	}
	var all []variable
	for _, fact := range facts {
		for _, prefix := range prefixes {
			if fact.value != "" {
				all = append(all, variable{name: prefix + "_" + fact.name, value: fact.value})
			}
		}
	}
	return all
}

// batchPrefixes begin the names of variables by which batch systems and MPI
// launchers talk to their processes. --cleanenv keeps them: without them every
// rank would believe to be alone.
var batchPrefixes = []string{"SLURM_", "SLURMD_", "PMI_", "PMI2_", "PMIX_", "PMI", "OMPI_", "PRTE_", "PALS_", "FLUX_",
	"HYDRA_", "HYDI_", "MPI_LOCAL", "MPIEXEC_", "I_MPI_HYDRA_", "MV2_COMM_WORLD_"}

// cleanNames are what --cleanenv keeps besides: the terminal, the way to the
// network, and the devices that a batch system has given to the job.
var cleanNames = []string{"TERM", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
	"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"}

// ownedNames are set by Sealift, by the image, or by every shell for itself.
var ownedNames = []string{"HOME", "PATH", "LD_LIBRARY_PATH", "PWD", "OLDPWD", "_", "UID", "EUID", "PPID", "SHELLOPTS",
	"BASHOPTS", "BASH_VERSINFO", "IFS"}

// forwarded are the caller's variables that go into the container.
func (in *Inputs) forwarded() []variable {
	var vars []variable
	for _, entry := range in.Caller {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || !validName(name) || slices.Contains(ownedNames, name) || slices.Contains(in.Drop, name) || ours(name) {
			continue
		}
		if in.Clean && !keptClean(name) {
			continue
		}
		vars = slices.DeleteFunc(vars, func(v variable) bool { return v.name == name })
		vars = append(vars, variable{name: name, value: value, literal: true})
	}
	if in.Clean {
		vars = append(vars, variable{name: "LANG", value: "C", literal: true})
	}
	return vars
}

// ours says whether a variable is addressed to Sealift and its like.
func ours(name string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return strings.HasPrefix(name, p+"_") || strings.HasPrefix(name, p+"ENV_")
	})
}

func keptClean(name string) bool {
	return slices.Contains(cleanNames, name) ||
		slices.ContainsFunc(batchPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
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
