package merkle

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/sealift/sealift/image/sif"
)

// ErrAltered is that of an image which is not what was signed.
var ErrAltered = errors.New("the image is not what was signed")

// message is what a signature says of an image: the JSON that the peers' signatures, PGP and
// DSSE alike, are of (sylabs/sif/v2, package integrity).
type message struct {
	Version int `json:"version"`
	Header  struct {
		Digest string `json:"digest"`
	} `json:"header"`
	Objects []signedObject `json:"objects"`
}

type signedObject struct {
	RelativeID uint32 `json:"relativeId"`
	Descriptor string `json:"descriptorDigest"`
	Data       string `json:"objectDigest"`
}

// SignedBy holds the image against what a signature of the partition's group says, whose
// text must have been found to be somebody's whom the caller trusts. It reads neither the
// partition nor the tree: the Root vouches for both, and is compared as it was when
// the Tree was found. The group must have the objects that were signed, all and
// no others. The error wraps ErrAltered, unless the text is malformed or the file cannot be read.
func (t *Tree) SignedBy(text []byte) error {
	var m message
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return fmt.Errorf("what was signed: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("what was signed: it goes on after the end")
	}
	if m.Version != 1 {
		return fmt.Errorf("what was signed: version %d; only version 1 is understood", m.Version)
	}
	if err := matches(m.Header.Digest, bytes.NewReader(t.img.SignableHeader())); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	return t.objectsMatch(m.Objects)
}

// objectsMatch compares the partition's group with what was signed.
func (t *Tree) objectsMatch(list []signedObject) error {
	objects, first := t.img.Group(t.Partition.Group)
	signed := map[uint32]signedObject{}
	for _, s := range list {
		signed[first+s.RelativeID] = s
	}
	if len(list) != len(objects) || len(signed) != len(objects) {
		return fmt.Errorf("%w: %d objects were, and the group has %d", ErrAltered, len(list), len(objects))
	}
	for _, o := range objects {
		s, ok := signed[o.ID]
		if !ok {
			return fmt.Errorf("%w: %v was not", ErrAltered, o)
		}
		if err := t.objectMatches(o, first, s); err != nil {
			return fmt.Errorf("%v: %w", o, err)
		}
	}
	return nil
}

func (t *Tree) objectMatches(o sif.Object, first uint32, s signedObject) error {
	if err := matches(s.Descriptor, bytes.NewReader(o.SignableDescriptor(first))); err != nil {
		return fmt.Errorf("descriptor: %w", err)
	}
	switch {
	case t.Vouched(o.ID):
		return nil
	case o.ID == t.RootObject.ID:
		return matches(s.Data, bytes.NewReader(t.RootBytes()))
	}
	return matches(s.Data, t.img.Section(o))
}

// matches compares the hash of all of r with a digest, as ALGORITHM:HEX.
func matches(digest string, r io.Reader) error {
	name, text, _ := strings.Cut(digest, ":")
	want, err := hex.DecodeString(text)
	if err != nil {
		return fmt.Errorf("digest %q is malformed", digest)
	}
	var h hash.Hash
	switch name {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return fmt.Errorf("digest %q is of a kind that is not accepted", digest)
	}
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	if !bytes.Equal(h.Sum(nil), want) {
		return ErrAltered
	}
	return nil
}
