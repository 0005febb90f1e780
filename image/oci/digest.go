package oci

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// digest is a checked digest, "sha256:" or "sha512:" and lower-case
// hexadecimal, so that its parts can stand in a path. The zero digest stands
// for an unknown one.
type digest struct{ algorithm, hex string }

// UnmarshalText checks the syntax; documents are decoded with it.
func (d *digest) UnmarshalText(text []byte) error {
	algorithm, sum, _ := strings.Cut(string(text), ":")
	lengths := map[string]int{"sha256": 64, "sha512": 128}
	if len(sum) != lengths[algorithm] || strings.Trim(sum, "0123456789abcdef") != "" || sum == "" {
		return fmt.Errorf("%.140q is not a sha256 or sha512 digest", text)
	}
	*d = digest{algorithm, sum}
	return nil
}

func (d digest) String() string { return d.algorithm + ":" + d.hex }

// path is where a layout keeps the blob.
func (d digest) path() string { return "blobs/" + d.algorithm + "/" + d.hex }

func (d digest) new() hash.Hash {
	if d.algorithm == "sha512" {
		return sha512.New()
	}
	return sha256.New()
}

// check compares the digest with the sum of what, which was computed with new.
func (d digest) check(what string, h hash.Hash) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != d.hex {
		return damaged("%s is %s:%s, not %s", what, d.algorithm, got, d)
	}
	return nil
}

func digestOf(b []byte) digest {
	sum := sha256.Sum256(b)
	return digest{"sha256", hex.EncodeToString(sum[:])}
}

// damaged returns an error about an image that is not what it says.
func damaged(format string, args ...any) error {
	return hint.Wrap(fmt.Errorf(format, args...), "the image is damaged; fetch or make it again")
}

// missing tells what to do about a blob that is not where its image is.
func missing(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return hint.Wrap(fmt.Errorf("part of the image is missing: %w", err),
		"copy the image again with all its layers and for this platform")
}
