package build

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/tree"
)

// scriptFailure is the failure of a script in the root of a stage.
type scriptFailure struct {
	error
	at At
}

func (f scriptFailure) Unwrap() error { return f.error }

// explainFailure adds to the failure of a script how to find out more, or
// keeps the tree that it left. Who interrupts a build wants nothing of it.
func (b *Build) explainFailure(ctx context.Context, err error) error {
	var f scriptFailure
	if !errors.As(err, &f) || ctx.Err() != nil {
		return err
	}
	if full := b.full(); full != nil {
		b.Warning("%v", full)
		err = hint.Wrap(err, "%s", hint.Of(full))
	}
	if b.kept == nil {
		if hint.Of(err) != "" {
			return err
		}
		return hint.Wrap(err, "correct the script; --keep-on-error DIR keeps the files as it left them")
	}
	if kept := b.keep(ctx, f.at); kept != nil {
		b.Warning("the files that the script left are not kept: %v", kept)
		return err
	}
	return hint.Wrap(err, "look at the files as the script left them: sealift shell %s", b.Options.KeepOnError)
}

// full says that the file system which scripts write to is full, which they
// may have failed of.
func (b *Build) full() error {
	var st unix.Statfs_t
	if unix.Statfs(b.work.Path(), &st) != nil || st.Blocks == 0 || st.Bavail > 0 {
		return nil
	}
	return b.explain(fmt.Errorf("what scripts write to is full: %w", unix.ENOSPC))
}

// keep writes a stage to the directory for what failed.
func (b *Build) keep(ctx context.Context, at At) error {
	root, err := b.Stage(at).Settle(ctx)
	if err == nil {
		err = b.WriteTree(ctx, root, b.kept.Path())
	}
	if err != nil {
		return output.Explain(err, b.kept.Path())
	}
	return b.kept.Commit()
}

// WriteTree writes a tree to an empty directory, and tells of losses.
func (b *Build) WriteTree(ctx context.Context, root *tree.Node, path string) (err error) {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	isRoot := b.UID == 0
	report, err := sandbox.WriteTree(ctx, root, dir, sandbox.WriteOptions{Chown: isRoot, Devices: isRoot})
	for _, w := range report.Warnings() {
		b.Warning("%s", w)
	}
	return err
}
