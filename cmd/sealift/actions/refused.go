package actions

import "github.com/sealift/sealift/cmd/sealift/ui"

// refusals are the flags of the peers' action commands that cannot be had here,
// each with the reason.
var refusals = []ui.Refusal{
	{
		Switches: []string{"boot"}, Variables: true,
		Why:    "a container runs a program, not the init system of a machine",
		Remedy: "run the program itself",
	},
	{
		Options: []string{"dmtcp-launch", "dmtcp-restart"}, Variables: true,
		Why:    "Sealift makes no checkpoints",
		Remedy: "run dmtcp_launch and dmtcp_restart as commands in a container that has them",
	},
	{
		Switches: []string{"ignore-userns"}, Variables: true,
		Why:    "an ordinary user's container is made by a user namespace, as there is no setuid mode",
		Remedy: "leave it out; as root no user namespace is used unless --userns asks for one",
	},
	{
		Switches: []string{"vm", "vm-err", "syos"}, Options: []string{"vm-ram", "vm-cpu", "vm-ip"},
		Why:    "no virtual machine is started",
		Remedy: "leave it out",
	},
	{
		Switches: []string{"oci", "no-compat"},
		Why:      "there is one way to run an image, not a mode of OCI's",
		Remedy:   "use --compat for a container like Docker's",
	},
}

// idle are flags of the peers that ask for what is always so, or switch off what
// is never used: no program called fakeroot is, scripts have no time limit, and
// missing mount points are shown without an overlay.
var idle = []string{"ignore-fakeroot-command", "no-oci", "runscript-timeout=", "underlay"}
