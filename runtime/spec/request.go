package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	gpu "github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/mounts"
	"github.com/sealift/sealift/runtime/network"
)

// Action is what the user wants done with an image.
type Action string

// The actions.
const (
	Exec  Action = "exec"  // run a command
	Run   Action = "run"   // run the image's runscript
	Shell Action = "shell" // run an interactive shell
	Test  Action = "test"  // run the image's test script
	Start Action = "start" // run the image's startscript, if it has one
)

// Request is what the user asked for: the command line and the variables that
// stand for options, already merged by the command.
type Request struct {
	Action Action
	// Args is the command of Exec, and the arguments in the other cases.
	Args []string
	// Shell is the program that Shell starts instead of the default.
	Shell string
	// Instance, unless empty, is the name that the container runs in the background
	// under. It outlives its payload with Stay (plan.Process).
	Instance string
	Stay     bool
	// App is the application of the image whose environment is in force and
	// whose scripts Run and Test run; empty means the image's own.
	App string

	// Binds are values of --bind: SOURCE[:TARGET[:OPTIONS]], separated by
	// commas, with \: and \, for literal ones.
	Binds []string
	// Mounts are values of --mount, as bind.ParseMounts reads them.
	Mounts []string
	// FuseMounts are values of --fusemount, as bind.ParseFuse reads them.
	FuseMounts []string
	// Overlays are values of --overlay: PATH[:ro], lower ones first.
	Overlays []string
	// Scratch are container paths that get an empty directory.
	Scratch []string
	// Workdir is a host directory for what is private, or empty: memory (see
	// mounts.Wish).
	Workdir string
	// Libraries are files of the host shown in /.singularity.d/libs, where programs
	// look for libraries last.
	Libraries []string
	// Home is SOURCE[:TARGET], replacing the caller's home; empty means that.
	Home string
	// Pwd is the working directory in the container, which must exist there;
	// empty means the caller's. OCIPwd prefers to that the WORKDIR of the OCI image
	// that the image was made of, where it has one.
	Pwd    string
	OCIPwd bool
	// NoMount names default mounts to leave out: proc, sys, dev, devpts, home,
	// tmp, cwd, bind-paths, or the target of one.
	NoMount []string

	// Env are NAME=value pairs to set; they beat everything else.
	Env []string
	// EnvFiles are files of such assignments in shell syntax.
	EnvFiles []string
	// NoEnv are patterns (path.Match) of variables of the caller that stay outside,
	// EnvKeep of those that CleanEnv lets in besides its own.
	NoEnv, EnvKeep []string

	CleanEnv      bool // keep the caller's variables out, but for batch systems'
	NoEval        bool // take the values of Env literally
	Contain       bool // minimal /dev, own /tmp and home, no cwd
	ContainAll    bool // Contain, CleanEnv and new PID and IPC namespaces
	Compat        bool // as Docker does: see implied
	Unpack        bool // write the image's files to memory, instead of serving them
	Writable      bool // changes go to the image itself
	WritableTmpfs bool // changes are allowed, and lost at the end
	Fakeroot      bool // be root in a user namespace
	Userns        bool // use a user namespace even where root needs none
	NoPID         bool // stay in the caller's PID namespace
	IPC, UTS      bool // new namespaces of these kinds
	NoInit        bool // the payload itself is PID 1
	NoHome        bool // no home directory
	NoUmask       bool // umask 0022 instead of the caller's

	// Hostname is set in a UTS namespace of its own, unless empty.
	Hostname string

	// Net, Network, NetworkArgs, NetnsPath and DNS are network.Wish's.
	Net         bool
	Network     string
	NetworkArgs []string
	NetnsPath   string
	DNS         []string

	// GPU, unless nil, is what was found of the devices that are asked for. It lacks
	// what follows from the container.
	GPU *gpu.Inputs

	// Security are values of --security, as security.Parse reads them.
	Security []string
	// AddCaps, DropCaps, KeepPrivs, NoPrivs and AllowSetuid are identity.Wish's.
	AddCaps, DropCaps               string
	KeepPrivs, NoPrivs, AllowSetuid bool

	tmpfsAtLeast bool // WritableTmpfs, unless changes go elsewhere
}

// implied returns r with what Compat implies, and what an instance is: with Compat
// changes are lost, unless there is another place for them; an instance has an init.
func (r Request) implied() Request {
	if r.Compat {
		r.ContainAll, r.NoUmask, r.NoEval, r.OCIPwd = true, true, true, true
		r.NoInit = r.NoInit || !r.mountsInside()
		r.tmpfsAtLeast = true
	}
	if r.Instance != "" {
		r.NoInit = false
		if r.UTS && r.Hostname == "" && network.CheckHostname(r.Instance) == nil {
			r.Hostname = r.Instance
		}
	}
	return r
}

// mountsInside says whether programs of the container are to serve file systems, which
// takes an init.
func (r *Request) mountsInside() bool {
	fuse, err := bind.ParseFuse(r.FuseMounts)
	return err == nil && slices.ContainsFunc(fuse, func(f bind.Fuse) bool { return f.Container })
}

// WantsWorkDir says whether the WORKDIR of the OCI image that the image was made of
// counts (image.Info.WorkDir).
func (r *Request) WantsWorkDir() bool { return r.OCIPwd || r.Compat }

// check refuses what can be seen to be wrong without a machine or an image.
func (r *Request) check() error {
	for _, name := range r.NoMount {
		if !path.IsAbs(name) && !slices.Contains(mounts.Names(), name) {
			return hint.New(fmt.Sprintf("--no-mount %q is not the name of a mount", name),
				"use an absolute path, or one of %s", strings.Join(mounts.Names(), ", "))
		}
	}
	switch {
	case r.mountsInside() && (!r.newPID() || r.NoInit):
		return hint.New("--fusemount container:… excludes --no-pid and --no-init", "leave these out, or have a program of the host mount it: host:…")
	case r.Instance != "" && !r.newPID():
		return hint.New("--no-pid: an instance has a process namespace of its own, by which it ends as a whole", "leave it out")
	}
	return network.CheckHostname(r.Hostname)
}

// contain says whether the host's files are kept out.
func (r *Request) contain() bool { return r.Contain || r.ContainAll }

// Contains says whether the container has a minimal /dev.
func (r *Request) Contains() bool { return r.contain() || r.Compat }

// newPID says whether the container gets a PID namespace.
func (r *Request) newPID() bool { return r.ContainAll || !r.NoPID }

// newIPC says whether the container gets an IPC namespace.
func (r *Request) newIPC() bool { return r.ContainAll || r.IPC }

// network is what is asked for of the network.
func (r *Request) network() network.Wish {
	return network.Wish{
		Net: r.Net, Name: r.Network, Args: r.NetworkArgs, Path: r.NetnsPath, DNS: r.DNS, Hostname: r.Hostname,
	}
}

// mounts is what is to be mounted, with both kinds of binds.
func (r *Request) mounts(binds []bind.Bind) mounts.Wish {
	return mounts.Wish{
		Binds: binds, Scratch: r.Scratch, Workdir: r.Workdir, Home: r.Home, NoHome: r.NoHome, NoMount: r.NoMount,
		Libraries: r.Libraries, Contain: r.contain(), PID: r.newPID(), IPC: r.newIPC(),
	}
}
