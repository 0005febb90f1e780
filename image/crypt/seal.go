package crypt

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/sealift/sealift/image/crypt/gocryptfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/table"
	"github.com/sealift/sealift/image/tree"
)

// The outer image: its blocks are not compressed, which would make no difference,
// and its tables with gzip, which every program reads.
const (
	outerBlock = 128 << 10
	outerName  = "squashfs-image" // of the encrypted file; Apptainer looks for squashfs-*
	padding    = 4096
)

// Sealed is a new encrypted image, which one partition can be written of.
type Sealed struct {
	password string
	message  []byte
	conf     []byte
	cipher   *gocryptfs.Cipher
}

// Seal makes the keys of an image that k is to open. It takes as long as Open.
func Seal(k *Key) (*Sealed, error) {
	s := &Sealed{password: k.passphrase}
	var err error
	if k.public != nil {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // which never fails
		s.password = hex.EncodeToString(secret)
		if s.message, err = wrap(k.public, s.password); err != nil {
			return nil, fmt.Errorf("encrypt for a public key: %w", err)
		}
	}
	s.conf, s.cipher, err = gocryptfs.NewConfig([]byte(s.password), k.public != nil)
	return s, err
}

// Message is what has to lie beside the partition for the private key to open it,
// nil where a passphrase does.
func (s *Sealed) Message() []byte { return s.message }

// Key opens this image, whatever it was encrypted for.
func (s *Sealed) Key() *Key { return &Key{passphrase: s.password, unlocks: true} }

// Write writes the partition to out. Plain is called once to write the SquashFS
// image that it is to hold: all of it but the start, for which it writes zeros and
// which it returns. Write does the same of the partition. An image of 4096 bytes
// at least is expected.
func (s *Sealed) Write(out io.Writer, plain func(w io.Writer) (start []byte, err error)) (head []byte, err error) {
	if _, err := out.Write(make([]byte, format.SuperSize)); err != nil {
		return nil, err
	}
	w := s.cipher.NewWriter(out)
	start, err := plain(w)
	if err != nil {
		return nil, err
	}
	first, err := w.Finish(start)
	if err != nil {
		return nil, err
	}
	if _, err := out.Write(s.conf); err != nil {
		return nil, err
	}
	super, err := s.tables(out, w.Size())
	if err != nil {
		return nil, err
	}
	return append(super.Bytes(), first...), nil
}

// tables writes what comes after the blocks of an encrypted file of size bytes
// and the configuration.
func (s *Sealed) tables(out io.Writer, size int64) (*format.Super, error) {
	encoding, err := codec.NewEncoding(codec.Choice{ID: format.Gzip}, outerBlock)
	if err != nil {
		return nil, err
	}
	c, err := encoding.New()
	if err != nil {
		return nil, err
	}
	confAt := format.SuperSize + uint64(size)
	root := &tree.Node{Mode: tree.TypeDir | 0o755, Entries: map[string]*tree.Node{
		outerName:            {Mode: tree.TypeRegular | 0o444, Content: stored(format.SuperSize, size)},
		gocryptfs.ConfigName: {Mode: tree.TypeRegular | 0o444, Content: stored(confAt, int64(len(s.conf)))},
	}}
	t, err := table.Number(root)
	if err != nil {
		return nil, err
	}
	if err := t.EachFile(func(n *tree.Node) (*table.File, error) { return n.Content.(*table.File), nil }); err != nil {
		return nil, err
	}
	super := &format.Super{
		BlockSize: outerBlock, Compression: encoding.ID,
		Flags: format.FlagUncompressedData | format.FlagUncompressedFragments,
	}
	if err := t.Write(out, confAt+uint64(len(s.conf)), c, super); err != nil {
		return nil, err
	}
	_, err = out.Write(make([]byte, -super.BytesUsed%padding))
	return super, err
}

// stored describes a file whose size bytes lie at start as they are.
func stored(start uint64, size int64) *table.File {
	d := &table.Data{Start: start}
	for rest := size; rest > 0; rest -= outerBlock {
		d.Words = append(d.Words, uint32(min(rest, outerBlock))|format.BlockUncompressed)
	}
	return &table.File{Length: size, Data: d}
}
