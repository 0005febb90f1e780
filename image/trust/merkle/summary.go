package merkle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/sealift/sealift/image/sif"
)

// Summary is what is known of data once all of it was read.
type Summary struct {
	// Digest is the SHA-256 of the data, 64 lower-case hexadecimal digits.
	Digest string
	Root   Root
	// Tree is the tree that has the Root. It may be missing where the image has that.
	Tree []byte
}

// Wanted says of which data a Summary is wanted.
type Wanted struct {
	// Digest is the Summary's, and Size that of the data in bytes.
	Digest string
	Size   int64
	// Own is the Root of a tree that is at hand: a Summary with this Root needs no Tree.
	Own Root
}

// Summarize reads the first size bytes of r, in order and each of them once, so that the
// tree is that of the very bytes that the digest is of, whatever r returns the next time.
// It calls told with the number of bytes of each piece that was read.
func Summarize(ctx context.Context, r io.ReaderAt, size int64, told func(n int64)) (Summary, error) {
	if size < 1 {
		return Summary{}, errors.New("hash tree: there are no data")
	}
	root := Root{LeafSize: DefaultLeafSize, Size: size}
	sums := make([]byte, root.levels()[0].hashes*HashSize)
	whole := sha256.New()
	piece, spare := make([]byte, min(size, checkSize)), make([]byte, checkSize)
	err := readFull(r, piece, 0)
	for off := int64(0); off < size && err == nil; {
		if ctx.Err() != nil {
			return Summary{}, context.Cause(ctx)
		}
		// One piece is hashed while the next one is read.
		after := off + int64(len(piece))
		next := spare[:min(size-after, checkSize)]
		var all sync.WaitGroup
		all.Go(func() { err = readFull(r, next, after) })
		all.Go(func() { whole.Write(piece) }) // never fails
		hashLeaves(&all, piece, sums[off/DefaultLeafSize*HashSize:])
		all.Wait()
		told(int64(len(piece)))
		off, piece, spare = after, next, piece[:cap(piece)]
	}
	if err != nil {
		return Summary{}, fmt.Errorf("hash tree: %w", err)
	}
	root, tree := grow(root, sums)
	return Summary{hex.EncodeToString(whole.Sum(nil)), root, tree}, nil
}

// hashLeaves puts the hashes of the leaves of data into sums, by one goroutine for each CPU
// that the process may use.
func hashLeaves(all *sync.WaitGroup, data, sums []byte) {
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		all.Go(func() {
			for i := w; i*DefaultLeafSize < len(data); i += workers {
				leaf := data[i*DefaultLeafSize:]
				h := sum(leafPrefix, leaf[:min(DefaultLeafSize, len(leaf))])
				copy(sums[i*HashSize:], h[:])
			}
		})
	}
}

// Holds tells whether a tree is the one that has the Root.
func (r Root) Holds(tree []byte) bool {
	if int64(len(tree)) != r.TreeSize() {
		return false
	}
	levels, above := r.levels(), r.Top[:]
	for i := len(levels) - 1; i >= 0; i-- {
		level := tree[levels[i].offset:][:levels[i].hashes*HashSize]
		for n, rest := 0, level; len(rest) > 0; n++ {
			node := rest[:min(nodeSize, len(rest))]
			if h := sum(nodePrefix, node); !bytes.Equal(h[:], above[n*HashSize:][:HashSize]) {
				return false
			}
			rest = rest[len(node):]
		}
		above = level
	}
	return true
}

// Of returns a tree of the primary partition of an image, which holds that to be the
// data of the Summary: SignedBy wants signers to have said so. It is the image's own where
// that has the Root. The summary's data may be other than the partition's: then it is
// of the same size, and nothing can be read.
func (s Summary) Of(img *sif.Image) (*Tree, error) {
	part, err := img.Primary()
	if err != nil {
		return nil, err
	}
	o, _ := img.Object(part.ID)
	if o.Size != s.Root.Size {
		return nil, fmt.Errorf("its file system has %d bytes, and not %d", o.Size, s.Root.Size)
	}
	t, err := FromImage(img)
	if err != nil || t.Root != s.Root {
		if s.Tree == nil {
			return nil, noTree("none is known that was made of it")
		}
		t = &Tree{Root: s.Root, Partition: o, img: img, tree: bytes.NewReader(s.Tree)}
	}
	t.digest = s.Digest
	return t, nil
}
