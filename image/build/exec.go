package build

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/stage"
)

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
	// Key is the key of Base if that is encrypted (image.Options).
	Key func() (*crypt.Key, error)
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
	// ReadOnly leaves a program with Mount nothing of the host to change but Tmp
	// and the directories for temporary files.
	ReadOnly bool
	Tmp      string
	// Bare has the program get Env as it is, and the image's own /tmp and
	// /var/tmp instead of empty ones.
	Bare bool
	// User, unless nil, is who the program is instead of root.
	User *User
	// Mounts are there while the program runs; NoNetwork keeps it off the network.
	Mounts    []Mount
	NoNetwork bool
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

// User is a user by number, with its group and supplementary groups.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Mount is a host path or, without Source, a tmpfs of at most Size bytes (0
// leaves that to the kernel), at an absolute path in the container.
type Mount struct {
	Source, Target string
	ReadOnly       bool
	Size           int64
}

// ScriptName is the name of a stage's script in the container's root
// directory while it runs.
const ScriptName = ".post.script"

// Script runs x in the writable root of a stage, with the script body, where
// there is one, as the last argument.
func (b *Build) Script(ctx context.Context, at At, body string, x Exec) error {
	root, err := b.Stage(at).Mount(ctx)
	if err != nil {
		return err
	}
	if body != "" {
		root.Private = []string{ScriptName}
		if err := stage.WriteScript(root.Upper.Name(), ScriptName, body); err != nil {
			return err
		}
		x.Args = append(x.Args, "/"+ScriptName)
	}
	x.Layers, x.View, x.Upper, x.Work = root.Layers(), root.View, root.Upper.Name(), root.Work
	if err := b.Exec(ctx, x); err != nil {
		return scriptFailure{err, at}
	}
	return nil
}

// Exec runs x.
func (b *Build) Exec(ctx context.Context, x Exec) error {
	if b.Run == nil {
		return errors.New("the recipe runs scripts and there is no way to run a container")
	}
	x.Stdout, x.Stderr = b.Stdout, b.Stderr
	return b.Run(ctx, x)
}

// HostScript writes a script for the host to the temporary directory and
// returns its path.
func (b *Build) HostScript(kind, body string) (string, error) {
	name := b.workPath(kind)
	return name, stage.WriteScript(filepath.Dir(name), filepath.Base(name), body)
}
