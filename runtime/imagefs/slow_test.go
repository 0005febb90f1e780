package imagefs

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

// stuck is storage that does not come back with file data until it is freed.
type stuck struct {
	io.ReaderAt
	data    int64 // where the data ends and the metadata begins
	freed   chan struct{}
	waiting atomic.Int32
}

func (s *stuck) ReadAt(p []byte, off int64) (int, error) {
	if off >= format.SuperSize && off < s.data {
		s.waiting.Add(1)
		<-s.freed
	}
	return s.ReaderAt.ReadAt(p, off)
}

// TestStuckReads: READs that never end hold up neither other requests nor, once
// they end, themselves.
func TestStuckReads(t *testing.T) {
	path := images(t).plain
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	super := open(t, path).Super()
	src := &stuck{ReaderAt: f, data: int64(super.InodeTable), freed: make(chan struct{})}
	r, err := squashfs.Open(src, int64(super.BytesUsed), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(r, Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, asUserRoot, s)
	release := sync.OnceFunc(func() { close(src.freed) })
	t.Cleanup(release)
	var out string
	a.must(&out, "sh", "for f in files/block files/tail files/text files/setuid; do cat $f >/dev/null 2>&1 & done; "+
		"sleep 0.3; timeout -s KILL 10 ls -l etc big | wc -l")
	if n := src.waiting.Load(); n < 2 {
		t.Errorf("%d READs are stuck, too few to mean anything", n)
	}
	if out != "3008\n" { // two headings, two totals, an empty line, three files in etc
		t.Errorf("%q lines were listed beside them", out)
	}
	release()
	a.must(nil, "read", "files/tail")
}
