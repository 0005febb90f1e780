package writer

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/squashfs/table"
)

// gaps is a reader of mostly holes (tree.Sparse) that counts what is read.
type gaps struct {
	size int64
	data map[int64]string // pieces by offset
	pos  int64
	read int64
}

func (g *gaps) piece() (at, end int64) {
	at, end = g.size, g.size
	for off, text := range g.data {
		if last := off + int64(len(text)); last > g.pos && off < at {
			at, end = off, min(last, g.size)
		}
	}
	return at, end
}

func (g *gaps) Read(p []byte) (int, error) {
	if g.pos == g.size {
		return 0, io.EOF
	}
	at, end := g.piece()
	if g.pos < at {
		p = p[:min(int64(len(p)), at-g.pos)]
		clear(p)
	} else {
		p = p[:min(int64(len(p)), end-g.pos)]
		copy(p, g.data[at][g.pos-at:])
	}
	g.pos += int64(len(p))
	g.read += int64(len(p))
	return len(p), nil
}

func (g *gaps) Hole() (int64, error) {
	at, _ := g.piece()
	return max(0, at-g.pos), nil
}

func (g *gaps) Skip(n int64) error {
	g.pos += n
	return nil
}

// A file of holes is the same image whether its holes are read or skipped.
func TestHolesAreSkipped(t *testing.T) {
	const bs = 4096
	for _, size := range []int64{bs, bs + 1, 10 * bs, 10*bs + 7, 1000 * bs} {
		for _, data := range []map[int64]string{
			nil, {0: "start"}, {size - 3: "end"}, {bs - 2: "over"}, {size / 2: "middle", size/2 + 8: "again"},
		} {
			g := &gaps{size: size, data: data}
			plain, err := io.ReadAll(struct{ io.Reader }{&gaps{size: size, data: data}})
			if err != nil {
				t.Fatal(err)
			}
			skipped, read := open(t, io.Discard), open(t, io.Discard)
			twice := make([]*table.File, 0, 2)
			for range 2 { // the second is recognised
				g.pos, g.read = 0, 0
				f, err := skipped.store(g, size)
				if err != nil {
					t.Fatal(err)
				}
				twice = append(twice, f)
			}
			want := put(t, read, plain)
			if err := errors.Join(skipped.drain(), read.drain()); err != nil {
				t.Fatal(err)
			}
			got := twice[0].Data
			if !slices.Equal(got.Words, want.Data.Words) || got.Sparse != want.Data.Sparse || got.Start != want.Data.Start {
				t.Errorf("%d bytes with %v: %v and %d sparse bytes, not %v and %d", size, data,
					got.Words, got.Sparse, want.Data.Words, want.Data.Sparse)
			}
			if !sharing(twice[0], twice[1]) {
				t.Errorf("%d bytes with %v: stored twice", size, data)
			}
			if g.read > int64(len(data)+1)*2*bs {
				t.Errorf("%d bytes with %v: %d were read", size, data, g.read)
			}
		}
	}
}

// A hole must not hide that a file has another size than it said.
func TestHolesBeyondTheSize(t *testing.T) {
	w := open(t, io.Discard)
	if _, err := w.Store(&gaps{size: 100000}, 50000); err == nil || !strings.Contains(err.Error(), "50001") {
		t.Errorf("error %v", err)
	}
	put(t, w, bytes.Repeat([]byte("x"), 5000))
}
