package builds

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// refusal is flags of the peers that cannot be had here.
type refusal struct {
	// switches are flags without a value, options those with one.
	switches, options []string
	// why completes "--flag: ", remedy says what to do instead.
	why, remedy string
}

// refusals are hidden from the help, and answered with a remedy rather than
// with "unknown flag".
var refusals = []refusal{
	{
		[]string{"nv", "nvccli", "rocm", "compat32"}, nil, "scripts of a build do not get GPUs yet",
		"build without it; installing programs for GPUs takes none, and a test of them can run afterwards",
	},
	{
		[]string{"remote", "detached"}, []string{"builder", "buildkit-host"}, "builds happen on this machine only",
		"build without it; that takes no privileges",
	},
	{
		[]string{"docker-login"}, nil, "nothing is asked on the terminal",
		"use --docker-username with SEALIFT_DOCKER_PASSWORD in the environment, or --authfile",
	},
	{[]string{"nohttps"}, nil, "it is said otherwise here", "use --no-https"},
	{
		[]string{"oci", "keep-layers"}, nil, "the output is a SIF file of one file system, or a directory",
		"build without it",
	},
	{[]string{"data"}, nil, "build makes images with a root file system", "use sealift image pack DIRECTORY OUTPUT.sif"},
	{[]string{"json"}, nil, "definitions in JSON are not read", "write a definition file"},
}

// idle are flags of the peers that ask for what is always so, or switch off
// what is never used.
var idle = []string{"userns", "ignore-subuid", "ignore-fakeroot-command", "ignore-proot", "ignore-userns"}

// refuse adds the flags of refusals and idle, hidden.
func refuse(flags *pflag.FlagSet) {
	for _, r := range refusals {
		for _, name := range r.switches {
			flags.VarPF(refused{r}, name, "", r.why).NoOptDefVal = "true"
		}
		for _, name := range r.options {
			flags.Var(refused{r}, name, r.why)
		}
		for _, name := range append(r.switches, r.options...) {
			flags.Lookup(name).Hidden = true
		}
	}
	for _, name := range idle {
		flags.Bool(name, false, "no effect")
		flags.Lookup(name).Hidden = true
	}
}

// checkRefused fails for the first flag given that is refused.
func checkRefused(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if r, ok := f.Value.(refused); ok && err == nil {
			err = hint.New(fmt.Sprintf("--%s: %s", f.Name, r.why), "%s", r.remedy)
		}
	})
	return err
}

// refused is the value of such a flag. That it was given counts.
type refused struct{ refusal }

// Set is pflag.Value's.
func (refused) Set(string) error { return nil }

// String is pflag.Value's.
func (refused) String() string { return "" }

// Type is pflag.Value's.
func (refused) Type() string { return "string" }
