package writer

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// hash tells contents apart. Two that have one are taken to be equal.
type hash [16]byte

// hashing makes hashes with a key that no one knows, so that no one can make
// two contents of one hash: the tag that AES-GCM gives data it only
// authenticates is a polynomial over the data at a secret point (GHASH, NIST SP
// 800-38D, section 6.4), which for two contents of n bytes is equal with a
// chance of (n/16+1)/2^128. Only tags of one key are compared, and the image
// does not show them. A processor computes it four times as fast as SHA-256.
type hashing struct {
	tag  cipher.AEAD
	mark uint32 // tells one writer from another
}

func newHashing() (hashing, error) {
	var random [20]byte
	if _, err := rand.Read(random[:]); err != nil {
		return hashing{}, err
	}
	block, err := aes.NewCipher(random[:16])
	if err != nil {
		return hashing{}, err
	}
	tag, err := cipher.NewGCM(block)
	if err != nil {
		return hashing{}, fmt.Errorf("squashfs: tell files apart: %w", err)
	}
	return hashing{tag, binary.LittleEndian.Uint32(random[16:])}, nil
}

// of returns the hash of b.
func (h hashing) of(b []byte) (sum hash) {
	var nonce [12]byte // one for all, so that equal contents have equal tags
	h.tag.Seal(sum[:0], nonce[:], nil, b)
	return sum
}

// ofBlock returns the hash of a block, which is zero if all of it is.
func (h hashing) ofBlock(b []byte) hash {
	if isZero(b) {
		return hash{}
	}
	return h.of(b)
}

// isZero tells whether all of b is zero. A block that is not mostly shows it
// in its first bytes.
func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
