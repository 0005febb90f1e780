package crypt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt/gocryptfs"
	"github.com/sealift/sealift/image/squashfs"
)

// Image is the plaintext of an encrypted partition: a SquashFS image.
type Image struct {
	*gocryptfs.Reader
	start int64 // of the encrypted file in the partition
}

// Open opens the partition of size bytes that r is. Messages are those that lie
// beside it: passwords, encrypted for RSA keys. Where a passphrase opens it,
// or Apptainer made it, that takes a fifth of a second and 64 MiB of memory, which
// makes the passphrase costly to guess.
func Open(r io.ReaderAt, size int64, messages [][]byte, k *Key) (*Image, error) {
	outer, err := squashfs.Open(r, size, squashfs.Options{CacheBytes: 1})
	if err != nil {
		return nil, err
	}
	conf, file, err := files(outer)
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(conf.Size, gocryptfs.MaxConfig+1))
	if _, err := outer.ReadAt(conf, text, 0); err != nil && err != io.EOF {
		return nil, err
	}
	config, err := gocryptfs.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	password, err := k.password(messages)
	if err != nil {
		return nil, err
	}
	c, err := config.Unlock([]byte(password))
	if errors.Is(err, gocryptfs.ErrPassword) {
		err = hint.Wrap(err, "check the passphrase, and that the key is that of this image")
	}
	if err != nil {
		return nil, err
	}
	plain, err := c.Open(content{outer, file}, int64(file.Size))
	if err != nil {
		return nil, err
	}
	return &Image{plain, int64(file.Start)}, nil
}

// Stored returns where in the partition n bytes of the plaintext from off on lie,
// as long as the outer image does not compress them.
func (i *Image) Stored(off, n int64) (start, length int64) {
	start, length = i.Reader.Stored(off, n)
	return start + i.start, length
}

// content is a file of an image.
type content struct {
	r    *squashfs.Reader
	file *squashfs.Inode
}

func (c content) ReadAt(p []byte, off int64) (int, error) { return c.r.ReadAt(c.file, p, off) }

// files returns the two files of an outer image.
func files(outer *squashfs.Reader) (conf, file *squashfs.Inode, err error) {
	entries, err := outer.FS().ReadDir(".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, nil, err
		}
		ino, ok := info.Sys().(*squashfs.Inode)
		switch {
		case !ok || e.Type() != fs.FileMode(0):
			return nil, nil, fmt.Errorf("encrypted image: %q is no file", e.Name())
		case e.Name() == gocryptfs.ConfigName:
			conf = ino
		case file != nil:
			return nil, nil, damaged("there are more files than one encrypted")
		default:
			file = ino
		}
	}
	if conf == nil || file == nil {
		return nil, nil, damaged("it lacks %s or the encrypted file", gocryptfs.ConfigName)
	}
	return conf, file, nil
}

// password returns the password of an image.
func (k *Key) password(messages [][]byte) (string, error) {
	switch {
	case k.private == nil && k.public != nil:
		return "", hint.New("a public key opens no image", "name the private key that belongs to it")
	case k.private == nil && len(messages) > 0 && !k.unlocks:
		return "", hint.New("the image was encrypted for a key, not with a passphrase", "name the private key with --pem-path")
	case k.private == nil:
		return k.passphrase, nil
	case len(messages) == 0:
		return "", hint.New("the image was encrypted with a passphrase, not for a key", "give the passphrase, with --passphrase or in SEALIFT_ENCRYPTION_PASSPHRASE")
	}
	var failed error
	for _, m := range messages {
		password, err := unwrap(k.private, m)
		if err == nil {
			return password, nil
		}
		failed = err
	}
	return "", failed
}
