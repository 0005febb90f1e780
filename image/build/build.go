// Package build turns a Recipe into an image.
//
// Compute decides, purely, which Steps a recipe is made of; Run takes them one
// after the other. Input: a definition.Recipe, facts of the host, and a Runner
// that runs scripts in a container. Output: a SIF file, or a sandbox
// directory, that appears when everything has succeeded and not before.
//
// No root file system is unpacked. A stage is a source (layers of an OCI
// image, a SquashFS image, a directory) and a list of edits of its tree. A
// script that needs a running root gets an overlay over the tree packed into
// a SquashFS image beside the output; the stage is then that image and the
// overlay's upper directory. What the last stage is in the end is packed into
// the output, where blocks that are compressed already are copied as they are.
//
// The package does not know how a container is started, prints nothing, and
// reads neither the environment nor the clock.
package build

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
)

// Host is what Compute and Run need to know about where the build happens.
type Host struct {
	// Arch is the Go name of the architecture to build for.
	Arch string
	// Dir is the absolute directory that relative paths start from.
	Dir string
	// Version of Sealift, for the labels.
	Version string
}

// Options are the user's choices.
type Options struct {
	// Output is the path of the image; Sandbox makes it a directory.
	Output  string
	Sandbox bool
	// Force replaces an output that exists.
	Force bool
	// NoTest leaves %test out.
	NoTest bool
	// Arguments are the values of the recipe's templates.
	Arguments map[string]string
	// AllowUnused accepts arguments that the recipe does not use.
	AllowUnused bool
	// Reproducible makes the output depend on nothing but its input and the
	// time given to Run.
	Reproducible bool
	// Profile is a shell command that is run in the image; the files that it
	// reads come first in the output.
	Profile string
	// Codec and BlockSize are those of writer.Options; zero values are zstd at
	// its default level, and 128 KiB.
	Codec     codec.Choice
	BlockSize int
}

// Step is one thing that a build does. Its String is one line.
type Step interface {
	fmt.Stringer
	run(ctx context.Context, b *building) error
}

// A Runner runs a program in a container and waits for it. The program is root
// there, and the container ends with it. A program that does not exit with
// status 0 is an error that says so.
type Runner func(ctx context.Context, x Exec) error

// Exec is what a Runner runs, and on which root file system.
type Exec struct {
	// Base is the path of the image that is the root: a SIF, a SquashFS image
	// or a directory. Unless Mount is set, its environment scripts apply over
	// Env, as for sealift exec.
	Base string
	// Layers are, where Base is empty, SquashFS images that lie over each
	// other, the topmost first, and View what they are together.
	Layers []*squashfs.Reader
	View   image.FS
	// Upper and Work, when set, make the root writable: they are directories
	// of one file system, for an overlay over Base (overlayfs(5), userxattr).
	// Every file of Base then has to appear as the root user's, since files of
	// other owners cannot be copied up. Empty means a read-only root.
	Upper, Work string
	// Mount, when set, leaves the program in the file system of the host: the
	// root is mounted at this empty directory, for %setup.
	Mount string
	// Test runs /.singularity.d/test as sealift test does; Args is empty.
	Test bool
	// Args is the program, found through the PATH of its environment, and its
	// arguments.
	Args []string
	// Dir is the working directory, in the container or, with Mount, on the
	// host.
	Dir string
	// Trace, if not nil, is told what the container reads of Base's files. It is
	// called by several goroutines.
	Trace func(file *squashfs.Inode, off, n int64)
	// Env is the whole environment before that of the image.
	Env            []string
	Stdout, Stderr io.Writer
}

// Environment is what Run works with.
type Environment struct {
	Host Host
	// Run runs scripts; a recipe without any needs none.
	Run Runner
	// Now is the time that the build happens at, to the second.
	Now time.Time
	// UID and GID are the caller's: what of an overlay belongs to them is the
	// container's root.
	UID, GID uint32
	// Variables are the caller's environment. %pre and %setup get it but for
	// this program's own settings; %post gets TERM and the proxies of it.
	Variables []string
	// Stdout and Stderr are the scripts'.
	Stdout, Stderr io.Writer
	// Notify, if not nil, is told each step before it is taken, and each
	// warning.
	Notify func(line string)
}

// Run takes the steps, which Compute made. Whatever fails, no output and
// nothing temporary is left.
func Run(ctx context.Context, steps []Step, e Environment) error {
	b := &building{Environment: e}
	err := b.steps(ctx, steps)
	return b.close(err)
}

// RecipeFor returns the recipe that just converts a source: an image that
// oci.ParseReference names, or a SIF file, SquashFS image or directory.
func RecipeFor(source string) (*definition.Recipe, error) {
	agent, from, err := splitSource(source)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("Bootstrap: %s\nFrom: %s\n", agent, from)
	r, err := definition.Parse(source, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("build from %q: %w", source, err)
	}
	if h, _ := r.Stages[0].Header("from"); h.Value != from || len(r.Stages[0].Headers) != 2 {
		return nil, fmt.Errorf("build from %q: the name cannot be written in a definition; rename or link it", source)
	}
	return r, nil
}
