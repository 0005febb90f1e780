package key

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sealift/sealift/image/tree"
)

// bufferSize is what is read of a file at a time, in bytes.
const bufferSize = 256 << 10

// file is one of a tree that has content.
type file struct {
	path string
	node *tree.Node
	sum  Digest
}

// digestContents returns the digests of the contents of a tree's files, which
// it reads once each, several at a time. It returns the first error, which
// names the file.
func digestContents(ctx context.Context, root *tree.Node, workers int) (map[*tree.Node]Digest, error) {
	files := contentsOf(root)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan *file)
	var group sync.WaitGroup
	for range min(max(workers, 1), len(files)) {
		group.Go(func() {
			buffer := make([]byte, bufferSize)
			for f := range jobs {
				if err := f.digest(ctx, buffer); err != nil {
					cancel(fmt.Errorf("digest %s: %w", f.path, err)) // the first counts
				}
			}
		})
	}
	for _, f := range files {
		jobs <- f // after an error, to end at once
	}
	close(jobs)
	group.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	sums := make(map[*tree.Node]Digest, len(files))
	for _, f := range files {
		sums[f.node] = f.sum
	}
	return sums, nil
}

// contentsOf returns the files that have content, under their first names.
func contentsOf(root *tree.Node) []*file {
	var files []*file
	seen := map[*tree.Node]bool{}
	for path, n := range root.Walk() {
		if n.Content != nil && !seen[n] {
			seen[n] = true
			files = append(files, &file{path: path, node: n})
		}
	}
	return files
}

// digest reads the file through the buffer.
func (f *file) digest(ctx context.Context, buffer []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	opener, ok := f.node.Content.(tree.Opener)
	if !ok {
		return errors.New("its content cannot be read")
	}
	r, err := opener.Open()
	if err != nil {
		return err
	}
	h := sha256.New()
	size, err := io.CopyBuffer(h, cancellable{ctx, r}, buffer)
	err = errors.Join(err, r.Close())
	if err == nil && size != f.node.Size() {
		err = fmt.Errorf("it has %d bytes now, not %d: it changed meanwhile", size, f.node.Size())
	}
	f.sum = Digest(h.Sum(nil))
	return err
}

// cancellable is a reader that ends with its context. It hides what else the
// reader can do, so that a copy goes through the buffer.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
