// Package actions is the commands that run a container: exec, run, shell and
// test, and explain, which tells of one.
//
// Input: flags, and the image's name. It probes the host, opens the image, has
// runtime/spec compute the plan and runtime/launch carry it out, and serves the
// image's files meanwhile. Output: the payload's exit status. It decides nothing
// about what a container is like.
package actions

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/fromhost"
	"github.com/sealift/sealift/cmd/sealift/gpus"
	"github.com/sealift/sealift/cmd/sealift/limits"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/shares"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/runtime/imagefs"
	"github.com/sealift/sealift/runtime/spec"
)

// Commands returns exec, run, shell, test and explain. Where an image is called
// instance://NAME, find finds the container.
func Commands(p *ui.Process, parts func() Parts, find Finder) (list []*cobra.Command) {
	for _, name := range []string{"exec", "run", "shell", "test"} {
		list = append(list, Command(p, name, parts(), find))
	}
	return append(list, explainCommand(p, parts))
}

// Command returns that of a name which starts a container, or nil.
func Command(p *ui.Process, name string, parts Parts, find Finder) *cobra.Command {
	at := func(a spec.Action, use, short string, operands int) *cobra.Command {
		return command(p, parts, a, use, short, operands, nil, func(c *cobra.Command, r *spec.Request, a *actionFlags, args []string) error {
			r.Args = args[1:]
			if name, ok := strings.CutPrefix(args[0], InstancePrefix); ok {
				return inside(c, p, r, name, find, a)
			}
			return onImage(c.Context(), p, r, paths.Local(args[0]), a)
		})
	}
	switch name {
	case "exec":
		return at(spec.Exec, "exec [flags] IMAGE COMMAND [ARG...]", "Run a command in a container", 2)
	case "run":
		return at(spec.Run, "run [flags] IMAGE [ARG...]", "Run the image's runscript", 1)
	case "shell":
		return at(spec.Shell, "shell [flags] IMAGE [ARG...]", "Run an interactive shell in a container", 1)
	case shares.FailedName:
		return shares.Failed()
	case "test":
		return at(spec.Test, "test [flags] IMAGE [ARG...]", "Run the image's test script", 1)
	}
	return nil
}

const actionHelp = `

IMAGE is a SIF file, a SquashFS file or a directory, or what pull takes, such as
docker://debian:12: that is made a SIF file in the cache first, once for all
processes that want it; or instance://NAME, a container that runs already. The
container has its own user, mount and process namespaces; the caller's ids, home
directory, working directory, /tmp and devices are the same inside as outside.
The image is never written to.

%s

A flag that names a variable such as SEALIFT_BIND is also read from it, or from
APPTAINER_BIND or SINGULARITY_BIND.`

// examples of command lines.
var examples = map[spec.Action]string{
	spec.Exec: `  sealift exec py.sif python3 script.py
  sealift exec docker://debian:12 cat /etc/os-release
  sealift exec --bind /scratch,/data:/mnt:ro --env OMP_NUM_THREADS=4 py.sif ./solve
  sealift exec --dry-run py.sif true
  sealift exec instance://db psql`,
	spec.Run: `  sealift run py.sif --input data.csv
  sealift run --app plot py.sif data.csv`,
	spec.Shell: "  sealift shell --contain --home $PWD/home py.sif",
	spec.Test:  "  sealift test py.sif",
}

// appUsage says what --app does.
var appUsage = map[spec.Action]string{
	spec.Exec:  "run the command in the environment of the application `NAME` of the image",
	spec.Run:   "run the runscript of the application `NAME` of the image",
	spec.Shell: "run the shell in the environment of the application `NAME` of the image",
	spec.Test:  "run the test script of the application `NAME` of the image",
	spec.Start: "run the startscript of the application `NAME` of the image",
}

// actionFlags are the flags of an action that the plan does not depend on.
type actionFlags struct {
	// show, unless nil, is what to print of the container instead of starting it.
	show       func(*spec.Container) (string, error)
	noRanges   bool // subordinate ids are not used
	unsquash   bool
	verify     bool
	imageCache ui.Size
	parts      Parts
	devices    gpus.Devices
	host       fromhost.Flags
	mpi        fromhost.MPI
	limits     limits.Flags
	box        *limits.Box
	key        func() (*crypt.Key, error)
	keyed      bool // key may ask for a passphrase
	// name and source are of an image that was got from elsewhere.
	name, source string
	hold         image.Hold
	background   *Background // nil in the foreground
	share        shares.Flag
}

// imageOptions returns how to open the image where control groups allow so
// many bytes of memory, 0 for no limit.
func (a *actionFlags) imageOptions(memoryLimit int64) image.Options {
	o := image.Options{CacheBytes: int64(a.imageCache), Name: a.name, Key: a.key}
	if o.CacheBytes <= 0 {
		o.CacheBytes = imagefs.CacheBytes(memoryLimit)
	}
	o.Hold = a.hold
	return o
}

// command returns one that starts a container, or only shows something of it; run gets
// the operands.
func command(p *ui.Process, parts Parts, action spec.Action, use, short string, operands int, show func(*spec.Container) (string, error),
	run func(c *cobra.Command, r *spec.Request, a *actionFlags, args []string) error) *cobra.Command {
	a, dryRun := actionFlags{show: show, parts: parts}, false
	r := &spec.Request{Action: action}
	c := &cobra.Command{
		Use: use, Short: short, Long: short + "." + fmt.Sprintf(actionHelp, parts.Help()), Example: examples[action], Args: ui.AtLeast(operands),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			if err := p.CheckRefused(c.Flags()); err != nil {
				return err
			}
			if dryRun {
				a.show = func(c *spec.Container) (string, error) { return a.box.String() + c.Plan.String(), nil }
			}
			return run(c, r, &a, args)
		},
	}
	flags := c.Flags()
	flags.SetInterspersed(false) // flags after IMAGE are the payload's
	flags.StringVar(&r.App, "app", "", appUsage[action])
	ui.Bind(flags, "app", "APP", "APPNAME")
	mountFlags(flags, r)
	environmentFlags(flags, r)
	isolationFlags(flags, r)
	networkFlags(flags, r)
	securityFlags(flags, r)
	a.devices.Add(flags)
	a.host.Add(flags)
	a.mpi.Add(flags)
	a.limits.Add(flags)
	flags.Var(&a.imageCache, "image-cache", "memory for decompressed parts of the image, such as 64M; 0 is a share of what there is")
	ui.Bind(flags, "image-cache", "IMAGE_CACHE")
	flags.BoolVar(&a.verify, "verify", false, "hold every block of the image against the image's hash tree when it is read")
	ui.Bind(flags, "verify", "VERIFY")
	flags.BoolVar(&a.unsquash, "unsquash", false, "unpack the image first, to memory or else a directory in --tmpdir, instead of using FUSE")
	ui.Bind(flags, "unsquash", "UNSQUASH")
	a.parts.AddFlags(flags)
	a.share.Add(flags)
	flags.BoolVar(&a.noRanges, "ignore-subuid", false, "with --fakeroot, map the caller's own id alone")
	ui.Bind(flags, "ignore-subuid", "IGNORE_SUBUID")
	ui.Refuse(flags, refusals, idle...)
	if show == nil {
		flags.BoolVar(&dryRun, "dry-run", false, "print the plan, one operation per line, and start nothing")
	}
	if action == spec.Shell {
		flags.StringVarP(&r.Shell, "shell", "s", "", "`program` to start instead of bash or sh")
		ui.Bind(flags, "shell", "SHELL")
	}
	return c
}

func mountFlags(flags *pflag.FlagSet, r *spec.Request) {
	flags.StringArrayVarP(&r.Binds, "bind", "B", nil, "make host paths visible: `SOURCE[:TARGET[:ro|rw]]`, comma separated; or files of an image: IMAGE:TARGET:image-src=PATH[,id=N]")
	ui.Collect(flags, "bind", "BIND", "BINDPATH")
	flags.StringArrayVar(&r.Mounts, "mount", nil, "the same as a record: `type=bind,source=PATH,destination=PATH[,ro][,nonested][,image-src=PATH][,id=N]`")
	ui.Collect(flags, "mount", "MOUNT")
	flags.StringSliceVarP(&r.Overlays, "overlay", "o", nil, "lay `PATH[:ro]`, a directory or an image, over the image; changes go to a directory without :ro")
	ui.Bind(flags, "overlay", "OVERLAY", "OVERLAYIMAGE")
	flags.StringVarP(&r.Home, "home", "H", "", "home directory: `SOURCE[:TARGET]`")
	ui.Bind(flags, "home", "HOME")
	flags.BoolVar(&r.NoHome, "no-home", false, "do not mount the home directory")
	ui.Bind(flags, "no-home", "NO_HOME")
	flags.StringVar(&r.Pwd, "cwd", "", "working `directory` inside the container")
	ui.Bind(flags, "cwd", "CWD", "TARGET_CWD")
	flags.BoolVar(&r.OCIPwd, "oci-cwd", false, "start in the WORKDIR of the OCI image that the image was made of")
	ui.Bind(flags, "oci-cwd", "OCI_CWD")
	flags.StringVar(&r.Pwd, "pwd", "", "the same as --cwd `directory`")
	ui.Bind(flags, "pwd", "PWD", "TARGET_PWD")
	flags.StringSliceVarP(&r.Scratch, "scratch", "S", nil, "an empty directory, in memory or --workdir, at this `path`; comma separated")
	ui.Bind(flags, "scratch", "SCRATCH", "SCRATCHDIR")
	flags.StringVarP(&r.Workdir, "workdir", "W", "", "`directory` for scratch, and with --contain for /tmp, /var/tmp and home")
	ui.Bind(flags, "workdir", "WORKDIR")
	flags.StringSliceVar(&r.NoMount, "no-mount", nil, "leave out default `mounts`: proc, sys, dev, devpts, home, tmp, cwd, hostfs, bind-paths or a path")
	ui.Bind(flags, "no-mount", "NO_MOUNT")
	flags.StringArrayVar(&r.FuseMounts, "fusemount", nil, "mount by a program: `'TYPE:PROGRAM [ARG...] TARGET'`; TYPE is host, container, host-daemon or container-daemon")
	ui.Bind(flags, "fusemount", "FUSESPEC")
	flags.BoolVarP(&r.Writable, "writable", "w", false, "make changes to the image itself, a directory")
	ui.Bind(flags, "writable", "WRITABLE")
	flags.StringSliceVar(&r.Libraries, "containlibs", nil, "show libraries of the host: `FILE[:NAME]`, comma separated")
	ui.Bind(flags, "containlibs", "CONTAINLIBS")
	flags.BoolVar(&r.WritableTmpfs, "writable-tmpfs", false, "allow changes to the image's files, lost at the end")
	ui.Bind(flags, "writable-tmpfs", "WRITABLE_TMPFS")
}

func environmentFlags(flags *pflag.FlagSet, r *spec.Request) {
	flags.StringArrayVar(&r.Env, "env", nil, "set variables: `NAME=VALUE`, comma separated")
	flags.StringSliceVar(&r.EnvFiles, "env-file", nil, "set variables from a `file` of NAME=VALUE lines")
	ui.Bind(flags, "env-file", "ENV_FILE")
	flags.BoolVarP(&r.CleanEnv, "cleanenv", "e", false, "keep the caller's variables out, but for the batch system's")
	ui.Bind(flags, "cleanenv", "CLEANENV")
	flags.StringSliceVar(&r.NoEnv, "no-env", nil, "keep out the caller's variables of these `names`, such as PERL*; comma separated")
	ui.Bind(flags, "no-env", "NOENV")
	flags.StringSliceVar(&r.EnvKeep, "env-keep", nil, "with --cleanenv, keep the caller's variables of these `names`, such as OMP_*")
	ui.Bind(flags, "env-keep", "ENV_KEEP")
	flags.BoolVar(&r.NoEval, "no-eval", false, "take the values of --env literally, without shell expansion")
	ui.Bind(flags, "no-eval", "NO_EVAL")
}

func isolationFlags(flags *pflag.FlagSet, r *spec.Request) {
	flags.BoolVarP(&r.Contain, "contain", "c", false, "minimal /dev, empty /tmp and home, no working directory")
	ui.Bind(flags, "contain", "CONTAIN")
	flags.BoolVarP(&r.ContainAll, "containall", "C", false, "--contain, --cleanenv, own process and IPC namespaces")
	ui.Bind(flags, "containall", "CONTAINALL")
	flags.BoolVar(&r.Compat, "compat", false, "as Docker does: --containall, --writable-tmpfs, --no-init, --no-umask, --no-eval, --oci-cwd")
	ui.Bind(flags, "compat", "COMPAT")
	flags.BoolVarP(&r.Fakeroot, "fakeroot", "f", false, "be root inside the container")
	ui.Bind(flags, "fakeroot", "FAKEROOT")
	flags.BoolVarP(&r.Userns, "userns", "u", false, "use a user namespace even as root")
	ui.Bind(flags, "userns", "USERNS", "UNSHARE_USERNS")
	flags.VarPF(ui.Opposite{Of: &r.NoPID}, "pid", "p", "own process namespace (the default)").NoOptDefVal = "true"
	ui.Bind(flags, "pid", "PID", "UNSHARE_PID")
	flags.BoolVar(&r.NoPID, "no-pid", false, "stay in the caller's process namespace")
	ui.Bind(flags, "no-pid", "NO_PID")
	flags.BoolVarP(&r.IPC, "ipc", "i", false, "own IPC namespace")
	ui.Bind(flags, "ipc", "IPC", "UNSHARE_IPC")
	flags.BoolVar(&r.UTS, "uts", false, "own host name")
	ui.Bind(flags, "uts", "UTS", "UNSHARE_UTS")
	flags.BoolVar(&r.NoInit, "no-init", false, "the payload itself is process 1")
	ui.Bind(flags, "no-init", "NOSHIMINIT")
	flags.BoolVar(&r.NoUmask, "no-umask", false, "umask 0022 instead of the caller's")
	ui.Bind(flags, "no-umask", "NO_UMASK")
}
