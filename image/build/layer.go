package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/squashfs"
)

// layerKind is the kind of cache entries that are layers. An entry is a
// SquashFS image, or empty for a step that changed nothing.
const layerKind = "layer"

// maxDepth is how many layers a stage has at most. The next one takes the
// place of all but the lowest: each costs a server while scripts run.
const maxDepth = 12

// Change is what a step does to a stage.
type Change struct {
	// Kind and what Identify adds to a key tell what the outcome depends on
	// beside the layers below. Identify is called where there is a cache.
	Kind     string
	Identify func(k *key.Key) error
	// Do changes the stage, if the outcome is not in the cache.
	Do func() error
	// Runs is set where Do runs programs. Their outcome is another one each time,
	// as what they read of the network and the clock is, so what comes after
	// depends on it.
	Runs bool
}

// Layer makes a layer of a change, or takes it from the cache. In a stage that
// is not Layered, Do is all.
func (b *Build) Layer(ctx context.Context, at At, c Change) error {
	s := b.Stage(at)
	if !s.Layered {
		return c.Do()
	}
	over := s.over()
	m := &making{do: c.Do, freeze: b.freezer(ctx, s, over)}
	if b.Cache == nil {
		made, err := b.apart(m)
		if err == nil {
			_, err = b.push(s, over, made)
		}
		return err
	}
	k := key.New(c.Kind).Digest("below", s.Key).String("over", fmt.Sprint(over))
	if err := c.Identify(k); err != nil {
		return err
	}
	m.sealed = c.Runs
	made, err := b.cached(ctx, s, over, cache.ID{Kind: layerKind, Key: k.Sum().String()}, m)
	if err != nil {
		return err
	}
	s.Key = k.Sum()
	if c.Runs {
		outcome, err := key.Appended(made, made.Size())
		if err != nil {
			return err
		}
		s.Key = key.New("outcome").Digest("step", s.Key).Digest("layer", outcome).Sum()
	}
	return nil
}

// cached gives a stage the layer of an entry, which is made if it is not there
// or no good.
func (b *Build) cached(ctx context.Context, s *Stage, over int, id cache.ID, m *making) (content, error) {
	for {
		c, err := b.layer(ctx, id, m)
		if err != nil {
			return nil, err
		}
		if _, err = b.push(s, over, c); err == nil || m.begun {
			return c, err
		}
		b.Warning("layer %s is made again: %v", id, err)
		if err := b.Cache.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// ScriptLayer is Layer where Do runs a script in a container. One that sees more
// than the key tells of is always run, and kept from other builds.
func (b *Build) ScriptLayer(ctx context.Context, at At, c Change) error {
	if !b.Open {
		c.Runs = true
		return b.Layer(ctx, at, c)
	}
	if err := c.Do(); err != nil {
		return err
	}
	return b.Keep(ctx, at, c.Kind)
}

// Keep makes a layer of what something wrote to a stage that is Layered, when
// nobody can tell what the outcome depends on. What comes after depends on the
// outcome itself.
func (b *Build) Keep(ctx context.Context, at At, kind string) error {
	s := b.Stage(at)
	over := s.over()
	c, err := b.apart(&making{begun: true, freeze: b.freezer(ctx, s, over)})
	if err != nil {
		return err
	}
	r, err := b.push(s, over, c)
	if err != nil {
		return err
	}
	if b.Cache == nil {
		return nil // nobody asks for the key
	}
	k := key.New(kind).Digest("below", s.Key)
	if r != nil {
		root, err := r.Tree()
		if err != nil {
			return err
		}
		d, err := key.Tree(ctx, root, b.TreeKey())
		if err != nil {
			return err
		}
		k.Digest("content", d)
	}
	s.Key = k.Sum()
	return nil
}

// freezer returns what writes a layer to a file.
func (b *Build) freezer(ctx context.Context, s *Stage, over int) func(*os.File) error {
	return func(f *os.File) error {
		b.writing.Store(f)
		return s.Freeze(ctx, f, over)
	}
}

// over returns over how many of the stage's layers the next one lies.
func (s *Stage) over() int {
	if n := s.Depth(); n < maxDepth {
		return n
	}
	return 1
}

// push gives a stage the layer c, which it opens; nil is a layer without
// changes.
func (b *Build) push(s *Stage, over int, c content) (r *squashfs.Reader, err error) {
	b.event.Bytes = c.Size()
	if c.Size() > 0 {
		if r, err = squashfs.Open(c, c.Size(), squashfs.Options{}); err != nil {
			return nil, fmt.Errorf("read the layer again: %w", err)
		}
	}
	s.Push(over, r)
	return r, nil
}

// content is what a layer is read from.
type content interface {
	io.ReaderAt
	Size() int64
}

// layer returns the layer, from the cache if it is there.
func (b *Build) layer(ctx context.Context, id cache.ID, m *making) (content, error) {
	if b.fresh && !m.begun {
		if err := b.Cache.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	e, err := b.Cache.Put(ctx, id, b.event.Step.String(), m.write)
	switch {
	case err == nil:
		b.Defer(e.Close)
		if !m.begun {
			b.progress(Cached)
		}
		return e, nil
	case m.failed != nil || ctx.Err() != nil:
		return nil, m.failure(err)
	}
	// The layer is fine, only not for others.
	b.Warning("this step is not kept for other builds: %v", err)
	return b.apart(m)
}

// apart makes the layer in the temporary directory.
func (b *Build) apart(m *making) (content, error) {
	f, err := b.NewFile("layer.squashfs")
	if err == nil {
		err = m.write(f)
	}
	if err != nil {
		return nil, m.failure(b.explain(err))
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(f, 0, st.Size()), nil
}

// making is a layer being made: what changes the stage, and what writes that.
type making struct {
	do     func() error
	freeze func(f *os.File) error
	// sealed puts a digest of the layer behind it.
	sealed bool
	// begun is set once the stage is, or may be, changed. failed is what do
	// returned then.
	begun  bool
	failed error
}

// write writes the layer to f. The stage is changed once, even if the first
// file turns out to be no good.
func (m *making) write(f *os.File) error {
	if !m.begun {
		m.begun = true
		m.failed = m.do()
	}
	if m.failed != nil {
		return m.failed
	}
	if err := m.freeze(f); err != nil || !m.sealed {
		return err
	}
	return key.Append(f)
}

// failure prefers the step's own error to what the cache makes of it.
func (m *making) failure(err error) error {
	if m.failed != nil {
		return m.failed
	}
	return err
}
