// Package build turns steps into an image.
//
// A Step is one thing to do; the packages below make them: fromdef of a
// definition, bootstrap of what a stage starts from. Run takes them one after
// the other. Input: steps, facts of the host, and a Runner that runs scripts in
// a container. Output: a SIF file, or a sandbox directory, that appears when
// everything has succeeded and not before.
//
// No root file system is unpacked. A stage is a stack of SquashFS layers, one
// for what each step changed (image/stage); a script runs over an overlay of
// them. What the last stage is in the end is packed into the output, where
// blocks that are compressed already are copied as they are.
//
// A layer is known by a key: the digest of all that it depends on (key). One
// that is in the cache is not made again. Whether there is a cache changes how
// long a build takes, and never what it makes.
//
// The package does not know how a container is started, prints nothing, and
// reads neither the environment nor the clock.
package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/squashfs/codec"
)

// Host is what a build needs to know about where it happens.
type Host struct {
	// Arch is the Go name of the architecture to build for, and Variant that of
	// its variant, empty for the usual one (oci.Platform).
	Arch, Variant string
	// Native is the architecture of this machine. Foreign, unless nil, says why
	// programs of Arch do not run here.
	Native  string
	Foreign error
	// Dir is the absolute directory that relative paths start from.
	Dir string
	// Files is the file tree, rooted at /, in which the tools of distributions are.
	Files fs.FS
	// Environ is the caller's environment. %pre and %setup get it but for this
	// program's own settings; other scripts get TERM and the proxies of it.
	Environ []string
	// Version of Sealift, for the labels.
	Version string
}

// Absolute returns a path as seen from Dir.
func (h *Host) Absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(h.Dir, path)
}

// Options are the user's choices.
type Options struct {
	// Output is the path of the image; Sandbox makes it a directory.
	Output  string
	Sandbox bool
	// Force replaces an output that exists.
	Force bool
	// Update has the last stage start from the directory that Output is, and
	// replaces that by the result; Sandbox is set then.
	Update bool
	// Sections are the sections of a definition that are built, in the words of
	// definition.Recipe.Select; all if there are none.
	Sections []string
	// FixPerms lets the owner of every file read, write and search it.
	FixPerms bool
	// TmpDir is the directory that temporary files go to; empty is that of
	// Output.
	TmpDir string
	// KeepOnError, unless empty, is the path of a directory that gets the files
	// of a stage as a script that failed left them. Force is for it too.
	KeepOnError string
	// NoTest leaves %test out.
	NoTest bool
	// Arguments are the values of the recipe's templates.
	Arguments map[string]string
	// AllowUnused accepts arguments that the recipe does not use.
	AllowUnused bool
	// Reproducible makes the output depend on nothing but its input, and the time
	// given to Run if that is Fixed.
	Reproducible bool
	// NoCache makes every layer anew. RebuildFrom does so from a step on:
	// First tells how it is written.
	NoCache     bool
	RebuildFrom string
	// Profile is a shell command that is run in the image; the files that it
	// reads come first in the output.
	Profile string
	// Codec and BlockSize are those of writer.Options; zero values are zstd at
	// its default level, and 128 KiB.
	Codec     codec.Choice
	BlockSize int
	// Workers is how many processors compress at once; 0 is all.
	Workers int
	// Seal, unless nil, is the key that the output is encrypted for. Such a build
	// neither uses nor fills the cache.
	Seal *crypt.Key
}

// Check refuses options that no build can have on this host.
func (o *Options) Check(h Host) error {
	switch {
	case o.Output == "":
		return errors.New("no output named")
	case o.Profile != "" && o.Sandbox:
		return hint.New("a profile orders the files of an image, and a directory has no order", "build a SIF file, or leave the profile out")
	case o.Seal != nil && o.Sandbox:
		return hint.New("a directory cannot be encrypted", "build a SIF file, or leave --encrypt out")
	case o.Profile != "" && h.Foreign != nil:
		return fmt.Errorf("--profile: %w", h.Foreign)
	}
	return nil
}

// Step is one thing that a build does.
type Step interface {
	// String is one line.
	fmt.Stringer
	// Name is what the step is called on the command line: the stage's, if it
	// has one, a colon, and the section or instruction in lower case.
	Name() string
	// Run does it.
	Run(ctx context.Context, b *Build) error
}

// Build is a build on its way, for its steps to work on.
type Build struct {
	Environment
	Options Options
	// Sources are what the build has read from elsewhere so far.
	Sources []metadata.Source
	// file or dir is the output, the other one nil.
	file *output.File
	dir  *output.NewDir
	// kept is the directory for what a script that failed left, or nil.
	kept *output.NewDir
	// work is a temporary directory.
	work   *output.Dir
	stages []*Stage
	// sealed has the keys of the output, if it is encrypted and written.
	sealed *crypt.Sealed
	// closers end what steps opened, last first.
	closers []func() error
	// names counts the names made in work.
	names int
	// fresh makes layers anew even if the cache has them.
	fresh bool
	// event is of the step that is being taken, and writing is the file that it
	// writes, or nil.
	event   Event
	writing atomic.Pointer[os.File]
}

// Run takes the steps. Whatever fails, no output and nothing temporary is left.
func Run(ctx context.Context, steps []Step, o Options, e Environment) error {
	fresh, err := First(steps, o)
	if err != nil {
		return err
	}
	b := &Build{Environment: e, Options: o}
	if o.Seal != nil {
		b.Secret()
	}
	if o.Reproducible && !e.Fixed {
		b.Now = time.Unix(0, 0).UTC()
	}
	return b.close(b.steps(ctx, steps, fresh))
}

func (b *Build) steps(ctx context.Context, steps []Step, fresh int) error {
	for i, s := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.fresh = i >= fresh
		b.writing.Store(nil)
		b.event = Event{Number: i + 1, Of: len(steps), Step: s, Written: b.written}
		b.progress(Begun)
		if err := s.Run(ctx, b); err != nil {
			return b.explainFailure(ctx, err)
		}
		b.progress(Done)
	}
	return nil
}

func (b *Build) progress(s State) {
	b.event.State = s
	if b.Progress != nil {
		b.Progress(b.event)
	}
}

// Image is the file that gets the image, if that is no directory.
func (b *Build) Image() *os.File {
	if b.Into != nil {
		return b.Into
	}
	return b.file.File()
}

// written is Event.Written.
func (b *Build) written() int64 {
	f := b.writing.Load()
	if f == nil {
		return 0
	}
	info, err := f.Stat()
	if err != nil {
		return 0 // it is closed by now
	}
	return info.Size()
}

// Time is when the build happens, in seconds since the epoch.
func (b *Build) Time() int64 { return b.Now.Truncate(time.Second).Unix() }

// Date tells when an image was made that a stage starts from, in seconds since
// the epoch.
func (b *Build) Date(seconds int64) {
	if b.Options.Reproducible && !b.Fixed {
		b.Now, b.Fixed = time.Unix(max(0, seconds), 0).UTC(), true
	}
}

// Secret keeps what the build makes from now on out of the cache, which is not
// encrypted.
func (b *Build) Secret() { b.Cache = nil }

// Defer calls f when the build has ended.
func (b *Build) Defer(f func() error) { b.closers = append(b.closers, f) }

// close ends the build: what is not committed is given up.
func (b *Build) close(err error) error {
	for i := len(b.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, b.closers[i]())
	}
	return err
}

// start is the key of an empty stage: what every layer depends on.
func (b *Build) start() key.Digest {
	k := key.New("stage").String("arch", b.Host.Arch).String("powers", b.Powers).
		String("format", fmt.Sprintf("%+v %d", b.Options.Codec, b.Options.BlockSize))
	if b.Options.Reproducible {
		// Then the very bytes count, and they may change with the program.
		k.String("time", fmt.Sprint(b.Time())).String("version", b.Host.Version+" "+codec.Implementation)
	}
	return k.Sum()
}

// TreeKey says what of a tree its key depends on: times only where the very
// bytes of the output count.
func (b *Build) TreeKey() key.TreeOptions {
	return key.TreeOptions{Times: b.Options.Reproducible, Workers: runtime.GOMAXPROCS(0)}
}
