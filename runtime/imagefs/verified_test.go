package imagefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/trust/merkle"
)

// verified serves the image at path and holds it against the tree that it has now.
func verified(t *testing.T, path string) *Server {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	root, tree, err := merkle.Build(context.Background(), f, info.Size(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := squashfs.Open(merkle.NewReader(f, bytes.NewReader(tree), root), info.Size(), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerifiedEqualsPlain(t *testing.T) {
	var plain, checked map[string]file
	mount(t, asUserRoot, images(t).plain, Options{}).must(&plain, "walk", ".")
	a := serve(t, asUserRoot, verified(t, images(t).plain))
	a.must(&checked, "walk", ".")
	if !maps.Equal(plain, checked) || len(plain) < bigDir {
		t.Errorf("%d and %d files, which differ", len(plain), len(checked))
	}
	a.must(nil, "umount")
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

// overwrite changes the file at path in place.
func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// An image that is overwritten while it is served: what was read before stays what
// it was, and the first read of what was changed gets EIO, and Serve returns why.
func TestOverwrittenWhileServed(t *testing.T) {
	victim := inode(t, open(t, images(t).plain), "files/tail")
	path := damaged(t, func([]byte) {})
	a := serve(t, asUserRoot, verified(t, path))
	var before, after string
	a.must(&before, "read", "files/text")
	overwrite(t, path, int64(victim.Start), bytes.Repeat([]byte{0}, 100_000))
	a.must(&after, "read", "files/text")
	if before != after || before == "" {
		t.Error("what was read before is another")
	}
	if err := a.do(nil, "read", "files/tail"); err == nil || err.Error() != unix.EIO.Error() {
		t.Errorf("what was changed: %v", err)
	}
	m, ok := errors.AsType[*merkle.Mismatch](a.wait())
	if !ok || m.Tree || m.Offset > int64(victim.Start) || m.Offset+m.Size <= int64(victim.Start) {
		t.Errorf("the server ended with %v; the file starts at %d", a.wait(), victim.Start)
	}
	if text := a.wait().Error(); strings.Contains(text, "\n") {
		t.Errorf("more than one line: %q", text)
	}
	if err := a.do(nil, "read", "files/tail"); err == nil || err.Error() != unix.EIO.Error() {
		t.Errorf("what was changed, once more: %v", err)
	}
}

// The same with many readers of much that was changed: each of them fails.
func TestOverwrittenUnderLoad(t *testing.T) {
	path := damaged(t, func([]byte) {})
	a := serve(t, asUserRoot, verified(t, path))
	end := int64(open(t, path).Super().InodeTable)
	overwrite(t, path, 96, bytes.Repeat([]byte("x"), int(end)-96))
	var out string
	script := "for i in 1 2 3 4 5 6 7 8; do (cat files/tail files/text files/block && echo good) & done; wait"
	a.must(&out, "sh", fmt.Sprintf("(%s) 2>/dev/null", script))
	if strings.Contains(out, "good") {
		t.Error("a changed file is read to its end")
	}
	if _, ok := errors.AsType[*merkle.Mismatch](a.wait()); !ok {
		t.Errorf("the server ended with %v", a.wait())
	}
}
