package writer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/table"
	"github.com/sealift/sealift/image/tree"
)

// open starts an image with small blocks whose Writer ends with the test.
func open(t testing.TB, out io.Writer) *Writer {
	t.Helper()
	w, err := New(out, Options{BlockSize: 4096, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func put(t testing.TB, w *Writer, b []byte) *table.File {
	t.Helper()
	c, err := w.Store(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Size() != int64(len(b)) {
		t.Fatalf("size %d, not %d", c.Size(), len(b))
	}
	return c.(*table.File)
}

func TestStoreRejectsWrongSize(t *testing.T) {
	for _, c := range []struct{ have, say int64 }{
		{0, 1}, {10, 11}, {10, 9}, {4096, 4097}, {4097, 4096}, {20000, 30000}, {20000, 16384}, {1, 0}, {5, -1},
	} {
		w := open(t, io.Discard)
		_, err := w.Store(bytes.NewReader(make([]byte, c.have)), c.say)
		if err == nil {
			t.Errorf("%d bytes pass as %d", c.have, c.say)
			continue
		}
		if !strings.Contains(err.Error(), fmt.Sprint(c.say)) {
			t.Errorf("error %q does not name the size %d", err, c.say)
		}
		put(t, w, text(1, 9000))
		if _, err := w.Finish(newDir(nil)); err != nil {
			t.Errorf("after that, Finish says %v", err)
		}
	}
}

type failingReader struct{ after io.Reader }

var errRead = errors.New("broken source")

func (f failingReader) Read(p []byte) (int, error) {
	n, err := f.after.Read(p)
	if err == io.EOF {
		err = errRead
	}
	return n, err
}

func TestStoreWrapsReadErrors(t *testing.T) {
	for _, size := range []int64{0, 100, 4096, 10000} {
		for _, say := range []int64{size, size + 5000} {
			w := open(t, io.Discard)
			_, err := w.Store(failingReader{bytes.NewReader(make([]byte, size))}, say)
			if !errors.Is(err, errRead) {
				t.Errorf("%d of %d bytes: error %v", size, say, err)
			}
		}
	}
}

// Every job that a failed Store took must be back, or the next one hangs.
func TestFailedStoresDoNotUseUpTheJobs(t *testing.T) {
	w := open(t, io.Discard)
	for range 100 {
		if _, err := w.Store(strings.NewReader("short"), 5000); err == nil {
			t.Fatal("no error")
		}
	}
	put(t, w, text(1, 100000))
}

// sharing tells whether two files have one place in the image.
func sharing(a, b *table.File) bool {
	return a.Data == b.Data && a.Fragment == b.Fragment && a.FragOff == b.FragOff
}

func TestEqualFilesAreStoredOnce(t *testing.T) {
	for _, size := range []int{1, 4095, 4096, 4097, 50000, 1 << 20} {
		var out bytes.Buffer
		w := open(t, &out)
		a := put(t, w, noise(1, size))
		put(t, w, noise(2, size))
		b := put(t, w, noise(1, size))
		if err := w.drain(); err != nil {
			t.Fatal(err)
		}
		if !sharing(a, b) {
			t.Errorf("%d bytes: an equal file is stored again", size)
		}
		if limit := format.SuperSize + 2*size; out.Len() > limit {
			t.Errorf("%d bytes: the image has %d, more than %d", size, out.Len(), limit)
		}
	}
}

// A file that equals an earlier one up to some block is written whole.
func TestFilesThatDifferLate(t *testing.T) {
	const size = 10*4096 + 100
	entries := map[string]*tree.Node{}
	base := noise(1, size)
	for at := 0; at < size; at += 4096 {
		b := bytes.Clone(base)
		b[at] ^= 1
		entries[fmt.Sprintf("differs at %d", at)] = newFile(b)
	}
	entries["base"] = newFile(base)
	entries["twin"] = newFile(bytes.Clone(base))
	root := newDir(entries)
	same(t, "read back", readBack(t, image(t, root, Options{BlockSize: 4096})), root)
}

// What is held back is bounded; beyond the bound a file is written again.
func TestHeldBlocksAreBounded(t *testing.T) {
	const bs = 1 << 20
	w, err := New(io.Discard, Options{BlockSize: bs, Codec: codec.Choice{Level: 1}, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, blocks := range []int64{maxHeld / bs, maxHeld/bs + 1} {
		size := blocks * bs
		store := func() *table.File {
			f, err := w.store(io.LimitReader(endless{}, size), size)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		first, second := store(), store()
		if err := w.drain(); err != nil {
			t.Fatal(err)
		}
		if recognised := sharing(first, second); recognised != (size <= maxHeld) {
			t.Errorf("%d blocks: recognised is %v", blocks, recognised)
		}
	}
}

// endless is a reader of one repeated byte.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'e'
	}
	return len(p), nil
}

func TestHoles(t *testing.T) {
	w := open(t, io.Discard)
	b := make([]byte, 4*4096+10)
	b[4096] = 1
	f := put(t, w, b)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	if f.Data.Sparse != 3*4096+10 {
		t.Errorf("%d bytes in holes", f.Data.Sparse)
	}
	if words := f.Data.Words; words[0] != 0 || words[1] == 0 || words[2] != 0 || len(words) != 5 {
		t.Errorf("blocks %v", words)
	}
	if f.Data.Start != format.SuperSize {
		t.Errorf("the first block is at %d", f.Data.Start)
	}
}

// The order in which contents come before Finish may differ from the tree's.
func TestStoredContentsMixWithOpened(t *testing.T) {
	var out bytes.Buffer
	w := open(t, &out)
	root := newDir(nil)
	want := newDir(map[string]*tree.Node{})
	root.Entries = map[string]*tree.Node{}
	for i := range 50 {
		name := fmt.Sprint(i)
		want.Entries[name] = newFile(text(uint64(i), i*500))
		root.Entries[name] = newFile(text(uint64(i), i*500))
	}
	for i := 49; i >= 0; i -= 3 {
		root.Entries[fmt.Sprint(i)].Content = put(t, w, text(uint64(i), i*500))
	}
	same(t, "read back", readBack(t, finish(t, w, &out, root)), want)
}

func TestNewRejectsOptions(t *testing.T) {
	for _, o := range []Options{
		{BlockSize: 2048}, {BlockSize: 2 << 20}, {BlockSize: 5000}, {BlockSize: -4096},
		{Codec: codec.Choice{ID: format.LZO}}, {Codec: codec.Choice{ID: 77}},
		{Codec: codec.Choice{Level: 99}}, {Codec: codec.Choice{ID: format.Gzip, Level: 10}},
	} {
		if _, err := New(io.Discard, o); err == nil {
			t.Errorf("options %+v pass", o)
		}
	}
}

// unopenable is a content nobody can read.
type unopenable struct{}

func (unopenable) Size() int64 { return 1 }

type brokenOpener struct{ unopenable }

func (brokenOpener) Open() (io.ReadCloser, error) { return nil, errRead }

func TestFinishNamesTheFileItCannotStore(t *testing.T) {
	foreign := put(t, open(t, io.Discard), []byte("x"))
	for name, c := range map[string]tree.Content{
		"foreign": foreign, "unopenable": unopenable{}, "broken": brokenOpener{},
	} {
		n := newFile(nil)
		n.Content = c
		_, err := open(t, io.Discard).Finish(newDir(map[string]*tree.Node{"dir": newDir(map[string]*tree.Node{name: n})}))
		if err == nil || !strings.Contains(err.Error(), "/dir/"+name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Fragment blocks that no file of the tree uses are left out of the table.
func TestUnusedFragmentsAreNotListed(t *testing.T) {
	var out bytes.Buffer
	w := open(t, &out)
	kept := make([]*table.File, 0, 40)
	for i := range 40 {
		kept = append(kept, put(t, w, noise(uint64(i), 3000)))
	}
	root := newDir(map[string]*tree.Node{"last": newFile(nil)})
	root.Entries["last"].Content = kept[39]
	b := finish(t, w, &out, root)
	s, err := format.ParseSuper(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.Fragments != 1 {
		t.Errorf("%d fragments for one file", s.Fragments)
	}
	got, err := readBack(t, b).Entries["last"].Content.(tree.Opener).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if data, err := io.ReadAll(got); err != nil || !slices.Equal(data, noise(39, 3000)) {
		t.Errorf("the file is %d other bytes, error %v", len(data), err)
	}
}
