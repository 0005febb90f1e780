package squashfs_test

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// TestEveryByteOfAnImage changes each byte of an image of 100 KiB, one at a
// time: every result is an error or a tree. Of the data, which is stored
// as it is and means nothing to a reader, one byte in four has to do.
func TestEveryByteOfAnImage(t *testing.T) {
	root := tree.NewDir(0o755)
	sizes := map[string]int{"noise of every size": 10800, "every type": 8192, "hole in the middle": 300, "attributes of every namespace": 8192}
	for i, f := range trees.Features() {
		if size := sizes[f.Name]; size > 0 {
			root.Entries[f.Name] = f.Tree(uint64(i), size)
		}
	}
	var out bytes.Buffer
	w, err := writer.New(&out, writer.Options{BlockSize: 8192, Codec: codec.Choice{ID: format.Gzip}})
	check(t, err)
	super, err := w.Finish(root)
	check(t, err)
	image := out.Bytes()
	copy(image, super.Bytes())
	if len(image) < 90<<10 || len(image) > 110<<10 {
		t.Errorf("the image has %d bytes", len(image))
	}
	step := 4
	if testing.Short() {
		step = 40
	}
	var places []int
	for i := range image {
		if i < format.SuperSize || i >= int(super.InodeTable) || i%step == 0 {
			places = append(places, i)
		}
	}
	noticed := changeEach(t, image, places)
	t.Logf("%d of %d changes are noticed", noticed, len(places))
	if noticed < 1000 {
		t.Error("hardly any change is noticed")
	}
}

// changeEach changes each of the places in an image by itself and returns how
// many of these changes a reader notices.
func changeEach(t *testing.T, image []byte, places []int) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	copies := sync.Pool{New: func() any { b := bytes.Clone(image); return &b }}
	var noticed atomic.Int64
	inParallel(len(places), func(i int) {
		mine := copies.Get().(*[]byte)
		defer copies.Put(mine)
		b, at := *mine, places[i]
		b[at] ^= byte(1 + i%255)
		defer func() { b[at] = image[at] }()
		if err := walk(b); err != nil {
			blames(t, err)
			noticed.Add(1)
		}
	})
	runtime.ReadMemStats(&after)
	if after.HeapSys > before.HeapSys+maxAlloc {
		t.Errorf("the heap grew by %d MiB", (after.HeapSys-before.HeapSys)>>20)
	}
	return noticed.Load()
}

// inParallel calls f with 0 to n-1 in some order.
func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
