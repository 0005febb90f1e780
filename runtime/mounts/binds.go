package mounts

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/view"
)

// mountBinds plans the user's binds in their order.
func (p *Planner) mountBinds() error {
	p.Because("--bind or --mount")
	for _, b := range p.wish.Binds {
		if w, ok := Want(b); ok {
			if err := p.BindPart(w, b.Image.Path, b.Target, layout.ReadOnly); err != nil {
				return fmt.Errorf("--bind: %w", err)
			}
			continue
		}
		if _, err := p.HostStat(b.Source); err != nil {
			return missingSource("--bind", b.Source, err)
		}
		flags := layout.Guarded
		if view.Within(b.Source, "/dev") || b.Source == "/" {
			flags = "nosuid" // device nodes are to work
		}
		if b.ReadOnly {
			flags = "ro," + flags
		}
		if err := p.Bind(b.Source, b.Target, flags, !b.ReadOnly); err != nil {
			return err
		}
	}
	return nil
}

// mountFuse plans the file systems that programs serve.
func (p *Planner) mountFuse() error {
	p.Because("--fusemount")
	for _, f := range p.wish.Fuse {
		if err := p.FuseMount(f); err != nil {
			return err
		}
	}
	return nil
}

// Want returns the file system that a bind is from, if it is one of an image.
func Want(b bind.Bind) (w layout.Want, ok bool) {
	return layout.Want{Path: b.Source, Use: image.Data, ID: b.Image.ID}, b.Image != bind.Part{}
}

// missingSource explains why a host path given by option cannot be mounted.
func missingSource(option, source string, err error) error {
	if err == nil {
		return hint.New(fmt.Sprintf("%s: %s is not a directory", option, source), "name a directory")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(fmt.Errorf("%s: %s: %w", option, source, fs.ErrNotExist), "check the path, or create it first")
	}
	return hint.Wrap(fmt.Errorf("%s: %s: %w", option, source, cause(err)), "check the permissions of its parent directories")
}

// cause strips err of its path, which lacks the leading slash: fs.FS has none.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
