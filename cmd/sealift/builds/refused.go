package builds

import "github.com/sealift/sealift/cmd/sealift/ui"

// refusals are the flags of the peers' build that are refused.
var refusals = []ui.Refusal{
	{
		Switches: []string{"nv", "nvccli", "rocm", "compat32"}, Why: "scripts of a build do not get GPUs yet",
		Remedy: "build without it; installing programs for GPUs takes none, and a test of them can run afterwards",
	},
	{
		Switches: []string{"remote", "detached"}, Options: []string{"builder", "buildkit-host"}, Why: "builds happen on this machine only",
		Remedy: "build without it; that takes no privileges",
	},
	{
		Switches: []string{"oci", "keep-layers"}, Why: "the output is a SIF file of one file system, or a directory",
		Remedy: "build without it",
	},
	{Switches: []string{"data"}, Why: "build makes images with a root file system", Remedy: "use sealift image pack DIRECTORY OUTPUT.sif"},
	{Switches: []string{"json"}, Why: "definitions in JSON are not read", Remedy: "write a definition file"},
}

// idle are flags of the peers that ask for what is always so, or switch off
// what is never used.
var idle = []string{"userns", "ignore-subuid", "ignore-fakeroot-command", "ignore-proot", "ignore-userns"}
