package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/mounts"
)

// Action is what the user wants done with an image.
type Action string

// The actions.
const (
	Exec  Action = "exec"  // run a command
	Run   Action = "run"   // run the image's runscript
	Shell Action = "shell" // run an interactive shell
	Test  Action = "test"  // run the image's test script
)

// Request is what the user asked for: the command line and the variables that
// stand for options, already merged by the command.
type Request struct {
	Action Action
	// Args is the command of Exec, and the arguments in the other cases.
	Args []string
	// Shell is the program that Shell starts instead of the default.
	Shell string
	// App is the application of the image whose environment is in force and
	// whose scripts Run and Test run; empty means the image's own.
	App string

	// Binds are values of --bind: SOURCE[:TARGET[:OPTIONS]], separated by
	// commas, with \: and \, for literal ones.
	Binds []string
	// Mounts are values of --mount, as bind.ParseMounts reads them.
	Mounts []string
	// Scratch are container paths that get an empty tmpfs.
	Scratch []string
	// Home is SOURCE[:TARGET], replacing the caller's home; empty means that.
	Home string
	// Pwd is the working directory in the container, which must exist there;
	// empty means the caller's.
	Pwd string
	// NoMount names default mounts to leave out: proc, sys, dev, devpts, home,
	// tmp, cwd, bind-paths, or the target of one.
	NoMount []string

	// Env are NAME=value pairs to set; they beat everything else.
	Env []string
	// EnvFiles are files of such assignments in shell syntax.
	EnvFiles []string
	// NoEnv names variables of the caller that stay outside.
	NoEnv []string

	CleanEnv      bool // keep the caller's variables out, but for batch systems'
	NoEval        bool // take the values of Env literally
	Contain       bool // minimal /dev, own /tmp and home, no cwd
	ContainAll    bool // Contain, CleanEnv and new PID and IPC namespaces
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
}

// maxHostname is the kernel's bound (HOST_NAME_MAX), in bytes.
const maxHostname = 64

// check refuses what can be seen to be wrong without a machine or an image.
func (r *Request) check() error {
	for _, name := range r.NoMount {
		if !path.IsAbs(name) && !slices.Contains(mounts.Names(), name) {
			return hint.New(fmt.Sprintf("--no-mount %q is not the name of a mount", name),
				"use an absolute path, or one of %s", strings.Join(mounts.Names(), ", "))
		}
	}
	if len(r.Hostname) > maxHostname {
		return hint.New(fmt.Sprintf("--hostname %s is too long", r.Hostname), "use at most %d bytes", maxHostname)
	}
	return nil
}

// contain says whether the host's files are kept out.
func (r *Request) contain() bool { return r.Contain || r.ContainAll }

// newPID says whether the container gets a PID namespace.
func (r *Request) newPID() bool { return r.ContainAll || !r.NoPID }

// newIPC says whether the container gets an IPC namespace.
func (r *Request) newIPC() bool { return r.ContainAll || r.IPC }

// mounts is what is to be mounted, with both kinds of binds.
func (r *Request) mounts(binds []bind.Bind) mounts.Wish {
	return mounts.Wish{
		Binds: binds, Scratch: r.Scratch, Home: r.Home, NoHome: r.NoHome, NoMount: r.NoMount,
		Contain: r.contain(), PID: r.newPID(), IPC: r.newIPC(), Hostname: r.Hostname,
	}
}
