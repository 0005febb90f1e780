package builds

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/scripts"
	"github.com/sealift/sealift/cmd/sealift/targets"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
)

// buildFlags are the flags of build that need work before they are options.
type buildFlags struct {
	build.Options
	args, argFiles []string
	format         images.Format
	mksquashfs     string
	target         targets.Flags
	noCleanup      bool
	dryRun         bool
	fakeroot       bool
	scripts        scripts.Choice
	emulation      string
	disableCache   bool
	docker         dockerFlags
	remotes        remotes.Flags
	keys           cryptkeys.Flags
	sign           trusts.Flag
	encrypt        bool
	found          *cryptkeys.Keys // that the flags and variables name
	library        endpoints.Library
	attached       attachedFlags
}

// add adds all of them.
func (b *buildFlags) add(flags *pflag.FlagSet) {
	b.outputFlags(flags)
	b.recipeFlags(flags)
	b.scriptFlags(flags)
	b.stepFlags(flags)
	b.docker.add(flags)
	b.remotes.Add(flags)
	b.remotes.AddLogin(flags)
	b.library.Add(flags)
	b.keys.Add(flags)
	b.sign.Add(flags)
	flags.BoolVarP(&b.encrypt, "encrypt", "e", false, "encrypt the image, for the passphrase or key of one of the flags or variables")
	b.attached.add(flags)
	ui.Refuse(flags, refusals, idle...)
}

// settle makes options of the flags that are not options yet.
func (b *buildFlags) settle() (err error) {
	if err = b.scripts.Emulate(b.emulation); err != nil {
		return fmt.Errorf("--root-emulation: %w", err)
	}
	if b.Workers, err = b.format.Mksquashfs(b.mksquashfs); err != nil {
		return err
	}
	if b.Codec, b.BlockSize, err = b.format.Options(); err != nil {
		return err
	}
	if b.noCleanup && b.KeepOnError == "" {
		b.KeepOnError = strings.TrimRight(b.Output, "/") + ".failed"
	}
	b.Sandbox = b.Sandbox || b.Update
	if err := b.attached.settle(b.Sandbox); err != nil {
		return err
	}
	b.Arguments, err = buildArguments(b.argFiles, b.args)
	return err
}

func (b *buildFlags) outputFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&b.Sandbox, "sandbox", "s", false, "build a directory instead of a file")
	ui.Bind(flags, "sandbox", "SANDBOX")
	flags.BoolVarP(&b.Force, "force", "F", false, "replace an output that exists")
	ui.Bind(flags, "force", "FORCE")
	flags.BoolVarP(&b.Update, "update", "u", false,
		"carry the definition out over the directory that OUTPUT is, without its header, and replace that when all has succeeded")
	ui.Bind(flags, "update", "UPDATE")
	flags.BoolVar(&b.Reproducible, "reproducible", false, "give equal outputs for equal inputs")
	flags.BoolVar(&b.FixPerms, "fix-perms", false, "let the owner of every file read, write and search it")
	ui.Bind(flags, "fix-perms", "FIXPERMS")
	b.format.AddFlags(flags)
	flags.StringVar(&b.mksquashfs, "mksquashfs-args", "", "the same as --compression and --block-size in the words of mksquashfs: `'-comp zstd -b 1M'`")
	ui.Bind(flags, "mksquashfs-args", "MKSQUASHFS_ARGS")
	flags.StringVar(&b.Profile, "profile", "",
		"run the shell `COMMAND` in the image and put first what it reads, so that it starts faster from a slow disk")
	flags.StringVar(&b.TmpDir, "tmpdir", "", "`directory` for temporary files, instead of the output's")
	ui.Bind(flags, "tmpdir", "TMPDIR")
}

func (b *buildFlags) recipeFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&b.args, "build-arg", nil, "value of a template, or of an ARG: `NAME=VALUE`")
	flags.StringArrayVar(&b.argFiles, "build-arg-file", nil, "`file` of such values, one per line")
	flags.StringSliceVar(&b.Sections, "section", []string{"all"},
		"carry out these `sections` of the definition alone: names such as post or labels, apps, all or none; comma separated")
	ui.Bind(flags, "section", "SECTION")
	flags.BoolVar(&b.AllowUnused, "warn-unused-build-args", false, "accept values that no template uses")
	b.target.Add(flags, "build for this `architecture`, such as amd64 or arm64; scripts then need an emulator", "BUILD_ARCH")
}

func (b *buildFlags) scriptFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&b.NoTest, "notest", "T", false, "do not run the %test section")
	ui.Bind(flags, "notest", "NOTEST")
	flags.StringArrayVarP(&b.scripts.Binds, "bind", "B", nil,
		"let %post and %test see host paths: `SOURCE[:TARGET[:ro|rw]]`, comma separated; scripts are always run then, and never cached")
	ui.Collect(flags, "bind", "BIND", "BINDPATH")
	flags.StringArrayVar(&b.scripts.Mounts, "mount", nil, "the same as a record: `type=bind,source=PATH,destination=PATH[,ro]`")
	ui.Collect(flags, "mount", "MOUNT")
	flags.BoolVar(&b.scripts.WritableTmpfs, "writable-tmpfs", false, "let %test change the image's files; the changes are lost")
	ui.Bind(flags, "writable-tmpfs", "WRITABLE_TMPFS")
	flags.StringVar(&b.KeepOnError, "keep-on-error", "", "when a script fails, write the files as it left them to the new directory `DIR`")
	flags.BoolVar(&b.noCleanup, "no-cleanup", false, "the same as --keep-on-error OUTPUT.failed")
	ui.Bind(flags, "no-cleanup", "NO_CLEANUP")
	flags.StringVar(&b.emulation, "root-emulation", scripts.UsualEmulation,
		"let scripts of an ordinary user give files away and become other users: `HOW` is auto, full, fast or off")
	ui.Bind(flags, "root-emulation", "ROOT_EMULATION")
	flags.BoolVarP(&b.fakeroot, "fakeroot", "f", true, "build as root of a user namespace (always the case)")
}

func (b *buildFlags) stepFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&b.NoCache, "no-cache", false, "make every step anew, and keep it for other builds")
	flags.StringVar(&b.RebuildFrom, "rebuild-from", "",
		"make the steps from `STEP` on anew: its number, or its name, such as post or STAGE:post")
	flags.BoolVar(&b.disableCache, "disable-cache", false, "neither use nor keep steps of other builds")
	ui.Bind(flags, "disable-cache", "DISABLE_CACHE")
	flags.BoolVar(&b.dryRun, "dry-run", false, "print the steps, one per line, and do nothing")
}
