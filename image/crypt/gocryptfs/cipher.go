// Package gocryptfs reads and writes the contents of files in the format of
// gocryptfs, as images encrypted by Apptainer hold one.
//
// Input: the text of gocryptfs.conf and a password, or a new password; then the
// bytes of an encrypted file, or a plaintext to encrypt. Output: the plaintext at
// any offset, every block of it authenticated; or the encrypted file, written
// front to back. The format is that of gocryptfs's Documentation/file-format.md,
// version 2: a header, which names the file by a random number, then blocks of
// 4096 bytes, each with a nonce in front and a tag behind, which authenticate
// the file's number and the block's as well. Where gocryptfs takes a block of
// zeros for a hole in the file, this package refuses it, as nothing would
// authenticate it. That blocks are missing at the end, it cannot tell.
//
// It knows neither names of files nor images, opens no file, and asks nobody for
// passwords.
package gocryptfs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sizes of the format, in bytes.
const (
	blockSize  = 4096 // of plaintext
	tagSize    = 16
	idSize     = 16
	headerSize = 2 + idSize
)

// kind is a way to encrypt.
type kind struct {
	info      string // of HKDF, for the key of file contents
	nonceSize int
	aead      func(key []byte) (cipher.AEAD, error)
}

var (
	gcm = kind{"AES-GCM file content encryption", 16, func(key []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithNonceSize(block, 16)
	}}
	xchacha = kind{"XChaCha20-Poly1305 file content encryption", chacha20poly1305.NonceSizeX, chacha20poly1305.NewX}
)

// overhead is how much longer than its plaintext a block is.
func (k kind) overhead() int { return k.nonceSize + tagSize }

// Cipher encrypts and decrypts the files of one master key. It is safe for
// concurrent use.
type Cipher struct {
	kind
	content cipher.AEAD
}

// newCipher derives the key of contents from another one (RFC 5869, without
// salt).
func newCipher(k kind, secret []byte) (*Cipher, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, k.info, keySize)
	if err != nil {
		return nil, err
	}
	content, err := k.aead(key)
	return &Cipher{k, content}, err
}

// stored is the length of a whole block.
func (c *Cipher) stored() int64 { return int64(blockSize + c.overhead()) }

// associated is what a block authenticates: its number and its file's. It has
// room for other numbers of the same file (number).
func (c *Cipher) associated(id []byte, block int64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(block)), id...)
}

// number makes associated data that of another block.
func number(associated []byte, block int64) { binary.BigEndian.PutUint64(associated, uint64(block)) }

// seal appends an encrypted block to dst.
func (c *Cipher) seal(dst, nonce, plain, associated []byte) []byte {
	return c.content.Seal(append(dst, nonce...), nonce, plain, associated)
}

// open appends the plaintext of a block to dst.
func (c *Cipher) open(dst, block, associated []byte) ([]byte, error) {
	return c.content.Open(dst, block[:c.nonceSize], block[c.nonceSize:], associated)
}
