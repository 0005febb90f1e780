// Package merkle keeps hash trees of images, so that each block of one can be
// checked when it is read and a start costs the same whatever the image's size.
//
// Input: data that can be read at any offset, such as the partition of a SIF
// file; later the tree of it, and its Root, which whoever asks has reason to
// trust. Output: the tree and the Root; later the data, of which no byte is
// returned that does not match. The package trusts no byte but the Root's. It
// neither makes nor checks signatures, prints nothing, and decides nothing about
// who needs a tree.
//
// # Format
//
// Numbers are little-endian, hashes SHA-256. The data is cut into leaves of
// equal size, of which the last may be shorter. A hash is that of one byte, which
// keeps the three kinds apart, and the bytes of
//
//	0x00  a leaf
//	0x01  a node: the hashes of up to 128 consecutive leaves or nodes
//	0x02  the Root's 64 bytes; this hash names the image's contents
//
// Level 0 is the hashes of the leaves, the next one those of its nodes, and so on
// to a level that is one node, the top. The tree is the levels from the top down
// to level 0, with nothing between them; what lies where follows from the size of
// the data. The Root is
//
//	 0  16  "sealift-merkle" and two NULs
//	16   4  version: 1
//	20   4  size of a leaf in bytes, a power of two from 4096 to 1048576
//	24   8  size of the data in bytes, at least 1
//	32  32  hash of the top node
//
// There is no salt: it would make equal builds differ, and defends nothing here,
// since whoever chooses the data can choose the salt. A leaf's place is not hashed
// with it, nor its length: both follow from the place of its hash and the size.
//
// # In a SIF file
//
// Two objects of type Generic for each partition that has a tree, in its group and linked to it, so that
// whatever signs the group signs both: the Root, named "sealift.merkle-root", and the
// tree, named "sealift.merkle-tree". FromImage finds them. See Tree for what a
// signature must cover before they mean anything.
package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// DefaultLeafSize is the size of the leaves of new trees in bytes. A block of a SquashFS
// image starts and ends in the middle of leaves, which are hashed whole. For blocks of 51 KB,
// the mean of an image of programs, one read at random costs least with this size: half as much
// again with 64 KiB, and the calls for smaller leaves cost what they save. Read in order,
// all sizes from here on are alike. The tree is 1/512 of the data.
const DefaultLeafSize = 16 << 10

// Sizes of the format in bytes, and in hashes.
const (
	HashSize = sha256.Size
	RootSize = 64

	fanOut      = 128
	nodeSize    = fanOut * HashSize
	minLeafSize = 4 << 10
	maxLeafSize = 1 << 20
	version     = 1
)

const magic = "sealift-merkle\x00\x00"

// What a hash is of.
const (
	leafPrefix = 0
	nodePrefix = 1
	rootPrefix = 2
)

// Hash is a SHA-256 hash.
type Hash [HashSize]byte

// Root is what a tree is checked against, and says how it is laid out.
type Root struct {
	// LeafSize and Size, of all the data, are in bytes.
	LeafSize int
	Size     int64
	// Top is the hash of the top node.
	Top Hash
}

// Bytes returns the Root as it is stored.
func (r Root) Bytes() []byte {
	b := append(make([]byte, 0, RootSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(r.LeafSize))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Size))
	return append(b, r.Top[:]...)
}

// Digest returns the hash that names the data: no other data has it.
func (r Root) Digest() Hash { return sum(rootPrefix, r.Bytes()) }

// ParseRoot reads a Root, which has exactly RootSize bytes.
func ParseRoot(b []byte) (Root, error) {
	if len(b) != RootSize || !bytes.HasPrefix(b, []byte(magic)) {
		return Root{}, fmt.Errorf("the root of its hash tree is malformed: %d bytes that begin with %.16q", len(b), b)
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[16:]); v != version {
		return Root{}, fmt.Errorf("its hash tree has version %d; only version %d is understood", v, version)
	}
	leaf, size := le.Uint32(b[20:]), int64(le.Uint64(b[24:]))
	if leaf < minLeafSize || leaf > maxLeafSize || bits.OnesCount32(leaf) != 1 {
		return Root{}, fmt.Errorf("the leaf size %d of its hash tree is not a power of two from %d to %d",
			leaf, minLeafSize, maxLeafSize)
	}
	if size < 1 {
		return Root{}, fmt.Errorf("its hash tree cannot be that of %d bytes", size)
	}
	return Root{LeafSize: int(leaf), Size: size, Top: Hash(b[32:])}, nil
}

// level is a level of a tree: how many hashes it has, and where they begin in the
// tree, in bytes.
type level struct{ hashes, offset int64 }

// levels returns the levels from level 0 up.
func (r Root) levels() []level {
	var ls []level
	n := pieces(r.Size, int64(r.LeafSize))
	for {
		ls = append(ls, level{hashes: n})
		if n <= fanOut {
			break
		}
		n = pieces(n, fanOut)
	}
	var offset int64
	for i := len(ls) - 1; i >= 0; i-- {
		ls[i].offset = offset
		offset += ls[i].hashes * HashSize
	}
	return ls
}

// TreeSize returns the size of the tree in bytes.
func (r Root) TreeSize() int64 {
	bottom := r.levels()[0]
	return bottom.offset + bottom.hashes*HashSize
}

// pieces is how many pieces of a size n bytes, or hashes, are cut into.
func pieces(n, size int64) int64 { return (n-1)/size + 1 }

// sum returns the hash of a prefix and b.
func sum(prefix byte, b []byte) (out Hash) {
	h := sha256.New()
	h.Write([]byte{prefix})
	h.Write(b)
	h.Sum(out[:0])
	return out
}
