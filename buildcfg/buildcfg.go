// Package buildcfg holds what is fixed when Sealift is built: its version and
// the paths of its starter and of the site's configuration. The linker sets the
// variables (-ldflags -X); nothing writes them afterwards. It reads no file.
package buildcfg

import "path/filepath"

// Set by the linker.
var (
	// Version is the release, such as 0.1.0 or 0.1.0-12-gabcdef.
	Version = "0.1.0-dev"
	// LibexecDir is the absolute directory that holds sealift-starter in an
	// installed tree; empty in a tree that was built but not installed.
	LibexecDir = ""
	// SysconfDir is the absolute directory of the site's configuration.
	SysconfDir = "/etc/sealift"
)

// Apptainer is the release of Apptainer that has the commands and flags of this
// one, as MAJOR.MINOR.PATCH. Programs that call Sealift by Apptainer's name are told
// it, and choose their flags by it.
const Apptainer = "1.5.3"

// FullName is the file name of the whole program, which the command line's executes; it is
// searched where the starter is.
const FullName = "sealift-full"

// StarterName is the file name of the starter, searched beside the CLI and in
// LibexecDir and nowhere else.
const StarterName = "sealift-starter"

// GPUHelperName is the file name of the program that asks NVIDIA's library for GPUs,
// searched where the starter is. Not every installation has one.
const GPUHelperName = "sealift-gpu-helper"

// TaskName is the name of the command line by which Slurm's plugin executes it for a task:
// a link, where the other programs are.
const TaskName = "sealift-task"

// ExplainName is the name of the command that says why a payload could not be started. It
// runs in the container, as far as that was made.
const ExplainName = "explain-failure"

// HostCommandName is the file name of the program that containers with --host-cmd see,
// searched where the starter is.
const HostCommandName = "sealift-hostcmd"

// The names of keyrings, which are Apptainer's: of the keys that a user trusts, of those that
// they sign with, and of those that a site trusts for its users.
const (
	PublicRing = "pgp-public"
	SecretRing = "pgp-secret"
	SiteRing   = "global-pgp-public"
)

// Dirs returns where the other programs are looked for: beside the file executable, which
// is the running program, in ../libexec/sealift from there, as in an installed tree that
// was moved, and in LibexecDir. PATH plays no part.
func Dirs(executable string) []string {
	dirs := []string{filepath.Dir(executable)}
	if real, err := filepath.EvalSymlinks(executable); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		dirs = append(dirs, filepath.Join(dir, "../libexec/sealift"))
	}
	if LibexecDir != "" {
		dirs = append(dirs, LibexecDir)
	}
	return dirs
}
