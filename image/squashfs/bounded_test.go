package squashfs_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// TestWalkIsBounded: a server of an image with very many files keeps what its
// caches take, and not what it has seen.
func TestWalkIsBounded(t *testing.T) {
	const dirs, files, limit = 300, 1000, 24 << 20
	root := tree.NewDir(0o755)
	for i := range dirs {
		dir := tree.NewDir(0o755)
		for j := range files {
			dir.Entries[fmt.Sprintf("file-%d", j)] = &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: int64(i*files + j)}
		}
		root.Entries[fmt.Sprintf("dir-%d", i)] = dir
	}
	var out bytes.Buffer
	super, err := writer.Write(t.Context(), &out, writer.Options{}, writer.Whole(root))
	check(t, err)
	image := out.Bytes()
	copy(image, super)
	root = nil
	before := heap()
	r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{})
	check(t, err)
	seen := 0
	for todo := []format.Ref{r.Root()}; len(todo) > 0; {
		dir, err := r.Inode(todo[0])
		check(t, err)
		entries, err := r.ReadDir(dir)
		check(t, err)
		todo = todo[1:]
		for _, e := range entries {
			_, err := r.Entry(e)
			check(t, err)
			if seen++; e.Type == format.Dir {
				todo = append(todo, e.Ref)
			}
		}
	}
	grown := heap() - before
	t.Logf("%d names, %d KiB kept", seen, grown>>10)
	if seen != dirs*(files+1) || grown > limit {
		t.Errorf("%d names, %d bytes kept, more than %d", seen, grown, limit)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(image)
}

// heap returns the bytes of live objects.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
