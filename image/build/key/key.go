// Package key makes the keys of the build cache: digests of all that a step's
// result depends on.
//
// Input: named values, and file trees with their contents. Output: a digest,
// the same wherever and whenever it is made of the same. It reads only the
// contents of the trees that it is given, and stores nothing.
package key

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// version is part of every key. It changes with the encoding, so that what an
// older Sealift stored is not found rather than misunderstood.
const version = "sealift key 1"

// Digest is a SHA-256 digest (FIPS 180-4).
type Digest [sha256.Size]byte

// String returns the digest as 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Key is the digest of a list of named fields, in the making. Fields count in
// the order in which they are added; two lists have one digest only if their
// names, types, values and order are equal.
//
// What is digested is a sequence in which every string is preceded by its
// length and every list by its count, both as unsigned 64-bit little-endian
// numbers, so that no value can pass for the end of one field and the start of
// another: the version, the kind, then for each field a byte for its type (s,
// l or d), its name and its value.
type Key struct{ enc encoder }

// New starts a key of the given kind, such as "post". Kinds have no keys in
// common.
func New(kind string) *Key {
	k := &Key{encoder{sha256.New()}}
	k.enc.text(version)
	k.enc.text(kind)
	return k
}

// String adds a string and returns k.
func (k *Key) String(name, value string) *Key {
	k.field('s', name)
	k.enc.text(value)
	return k
}

// Strings adds a list of strings, whose order counts, and returns k.
func (k *Key) Strings(name string, values []string) *Key {
	k.field('l', name)
	k.enc.number(uint64(len(values)))
	for _, v := range values {
		k.enc.text(v)
	}
	return k
}

// Digest adds a digest, such as another key or that of a tree, and returns k.
func (k *Key) Digest(name string, d Digest) *Key {
	k.field('d', name)
	k.enc.bytes(d[:])
	return k
}

// Sum returns the digest of the fields so far. More may be added after it.
func (k *Key) Sum() Digest { return k.enc.sum() }

func (k *Key) field(kind byte, name string) {
	k.enc.bytes([]byte{kind})
	k.enc.text(name)
}

// encoder writes values to a hash so that each one's end is known. A hash
// never returns an error (hash.Hash).
type encoder struct{ h hash.Hash }

func (e encoder) bytes(b []byte) { e.h.Write(b) }

func (e encoder) number(n uint64) { e.bytes(binary.LittleEndian.AppendUint64(nil, n)) }

func (e encoder) text(s string) {
	e.number(uint64(len(s)))
	e.bytes([]byte(s))
}

func (e encoder) sum() Digest { return Digest(e.h.Sum(nil)) }
