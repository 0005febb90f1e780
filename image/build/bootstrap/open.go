package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/stage"
)

// openFile opens an image file of elsewhere, which is fetched if it is not in the
// cache.
func (s *fetch) openFile(ctx context.Context, b *build.Build) (*opened, error) {
	found, err := b.Find(ctx, s.Agent, s.From, s.Headers["library"], s.platform.Arch)
	if err != nil {
		return nil, err
	}
	f, err := b.Fetch(ctx, found)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", found.Name, err)
	}
	o, held, err := s.openHeld(ctx, b, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), found.Name, found.Name)
	if err != nil {
		return nil, err
	}
	o.read.Name = found.Name
	if held {
		return o, nil // which is known by what is read of it
	}
	o.read = metadata.Known(found.Name, found.Digest)
	if found.Digest != "" {
		o.identify = func(k *key.Key) error { k.String("image", found.Digest); return nil }
	}
	return o, nil
}

// openLocal opens the image at a path, which errors call by its name, from a source
// or, if that is empty, from where it is.
func (s *fetch) openLocal(ctx context.Context, b *build.Build, path, name, source string) (*opened, error) {
	o, _, err := s.openHeld(ctx, b, path, name, source)
	return o, err
}

// openHeld is openLocal, and says whether the image is held against a hash tree.
func (s *fetch) openHeld(ctx context.Context, b *build.Build, path, name, source string) (o *opened, held bool, err error) {
	f, err := image.Open(path, image.Options{Key: b.Key, Hold: b.Hold(ctx, source)})
	if err != nil {
		return nil, false, err
	}
	b.Defer(f.Close)
	_, held = f.Root()
	o, err = s.fromFile(ctx, b, f, name)
	return o, held, err
}

// fromFile reads of an image that is open, which errors call by a name, what a stage
// starts with.
func (s *fetch) fromFile(ctx context.Context, b *build.Build, f *image.File, name string) (*opened, error) {
	if f.Encrypted() {
		b.Secret()
	}
	if a := f.Arch(); a != "" && a != "unknown" && a != s.platform.Arch {
		return nil, hint.Wrap(fmt.Errorf("%s is for %s, not %s", name, a, s.platform.Arch), "start from an image for %s", s.platform.Arch)
	}
	files := stage.Local{File: f, IDs: b.IDs}
	o := &opened{created: created(f), source: files}
	o.identify = func(k *key.Key) error { return identify(ctx, b, k, f, o) }
	o.read = metadata.Source{Name: s.Agent + ":" + s.From}
	if f.Squash() != nil {
		o.read.Digest = func(ctx context.Context) (string, error) {
			d, err := digest(ctx, b, f)
			return "sha256:" + d.String(), err
		}
	}
	var c struct{ Env []string }
	config, err := f.OCIConfig()
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(config, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: configuration of the OCI image: %w", name, err)
	}
	o.raw, o.env = config, c.Env
	return o, nil
}

// digest returns the digest of an image file: of what is read of it.
func digest(ctx context.Context, b *build.Build, f *image.File) (key.Digest, error) {
	if held := f.Held(); held != nil {
		return kept.Digest(ctx, held)
	}
	return kept.FileDigest(ctx, b.Cache, f.File(), b.Warning)
}

// created returns when an image file was made.
func created(f *image.File) int64 {
	switch {
	case f.SIF() != nil:
		return f.SIF().Created()
	case f.Squash() != nil:
		return int64(f.Squash().Super().ModTime)
	}
	return 0
}

// identify adds the content of a file, or that of all files of a directory. Of an image
// that is held against a hash tree that is what is read of it, which nothing else says: the
// bytes of the file may be others, and the build fail when it meets them.
func identify(ctx context.Context, b *build.Build, k *key.Key, f *image.File, o *opened) error {
	if root, held := f.Root(); held {
		k.Digest("held image", key.Digest(root))
		k.String("configuration", string(o.raw))
		k.String("created", fmt.Sprint(o.created))
		return nil
	}
	if f.Squash() != nil {
		d, err := kept.FileDigest(ctx, b.Cache, f.File(), b.Warning)
		k.Digest("image", d)
		return err
	}
	root, err := o.source.Tree(ctx, nil)
	if err != nil {
		return err
	}
	d, err := key.Tree(ctx, root, b.TreeKey())
	k.Digest("directory", d)
	return err
}
