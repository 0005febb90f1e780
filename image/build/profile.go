package build

import (
	"context"
	"fmt"
	"sync"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// profile runs a command in the image to learn which files it reads, so that
// pack can put them first.
type profile struct {
	at      stageRef
	command string
}

func (s *profile) String() string { return fmt.Sprintf("%v: profile %s", s.at, s.command) }

func (s *profile) run(ctx context.Context, b *building) error {
	st := b.stage(s.at)
	p, err := st.rebase(ctx)
	if err != nil {
		return err
	}
	r := reads{block: int64(p.reader.Super().BlockSize), of: map[format.Ref]*fileRead{}}
	err = b.runner(ctx, Exec{
		Base: p.path, Args: []string{"/bin/sh", "-c", s.command}, Dir: "/",
		Env: metadata.ScriptEnvironment(b.Variables, st.env), Trace: r.add,
	})
	if err != nil {
		return fmt.Errorf("%v: profile %q: %w", s.at, s.command, err)
	}
	st.hot = r.hot()
	b.notify("%v: %d files are read by %s", s.at, len(st.hot), s.command)
	return nil
}

// reads collects what is read of an image, by inode and block.
type reads struct {
	block int64 // bytes
	mu    sync.Mutex
	of    map[format.Ref]*fileRead
	order []*fileRead // by first read
}

type fileRead struct {
	ino    *squashfs.Inode
	blocks map[int64]bool
}

// add notes one read. It is called by several goroutines.
func (r *reads) add(ino *squashfs.Inode, off, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.of[ino.Ref]
	if f == nil {
		f = &fileRead{ino, map[int64]bool{}}
		r.of[ino.Ref] = f
		r.order = append(r.order, f)
	}
	for i := off / r.block; i*r.block < off+n; i++ {
		f.blocks[i] = true
	}
}

// hot returns the files worth putting first, in the order of their first read.
// A file of which less than half was read is not: its blocks cannot be parted,
// and reading all of them would cost more than it saves.
func (r *reads) hot() []format.Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []format.Ref
	for _, f := range r.order {
		if total := (int64(f.ino.Size) + r.block - 1) / r.block; 2*int64(len(f.blocks)) >= total {
			list = append(list, f.ino.Ref)
		}
	}
	return list
}

// hotNodes returns the nodes of a packed stage's tree that its profile found.
func (s *stage) hotNodes(root *tree.Node) []*tree.Node {
	if len(s.hot) == 0 {
		return nil
	}
	nodes := map[format.Ref]*tree.Node{}
	for _, n := range root.Walk() {
		if f, ok := n.Content.(*squashfs.File); ok {
			nodes[f.Inode().Ref] = n
		}
	}
	var list []*tree.Node
	for _, ref := range s.hot {
		if n := nodes[ref]; n != nil {
			list = append(list, n)
		}
	}
	return list
}
