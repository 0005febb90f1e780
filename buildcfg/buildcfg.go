// Package buildcfg holds what is fixed when Sealift is built: its version and
// the paths of its starter and of the site's configuration. The linker sets the
// variables (-ldflags -X); nothing writes them afterwards. It imports nothing.
package buildcfg

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

// StarterName is the file name of the starter, searched beside the CLI and in
// LibexecDir and nowhere else.
const StarterName = "sealift-starter"
