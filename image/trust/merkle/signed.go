package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/payload"
)

// ErrAltered is that of an image which is not what was signed.
var ErrAltered = errors.New("the image is not what was signed")

// SignedBy holds the image against what a signature of the partition's group says, whose
// text must have been found to be somebody's whom the caller trusts. It reads neither the
// partition nor the tree: the Root vouches for both, and is compared as it was when
// the Tree was found; of a Summary's Tree, the digest of the partition is. The group must have the objects that were signed, all and
// no others. The error wraps ErrAltered, unless the text is malformed or the file cannot be read.
func (t *Tree) SignedBy(text []byte) error {
	p, err := payload.Parse(text)
	if err != nil {
		return err
	}
	if err := matches(p.Header.Digest, bytes.NewReader(t.img.SignableHeader())); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	return t.objectsMatch(p.Objects)
}

// Digest returns the SHA-256 digest, 64 hexadecimal digits, that a signature of the group of the
// primary partition of an image says that has, by the text that was signed. It is empty if the
// signature is not about the partition, or has another kind of digest.
func Digest(img *sif.Image, text []byte) (string, error) {
	part, ok := img.PrimaryObject()
	if !ok || part.Group == 0 {
		return "", nil
	}
	p, err := payload.Parse(text)
	if err != nil {
		return "", err
	}
	_, first := img.Group(part.Group)
	for _, o := range p.Objects {
		if first+o.RelativeID == part.ID {
			return o.Data.SHA256(), nil
		}
	}
	return "", nil
}

// objectsMatch compares the partition's group with what was signed.
func (t *Tree) objectsMatch(list []payload.Object) error {
	objects, first := t.img.Group(t.Partition.Group)
	signed := map[uint32]payload.Object{}
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

func (t *Tree) objectMatches(o sif.Object, first uint32, s payload.Object) error {
	if err := matches(s.Descriptor, bytes.NewReader(o.SignableDescriptor(first))); err != nil {
		return fmt.Errorf("descriptor: %w", err)
	}
	switch {
	case o.ID == t.Partition.ID && t.digest != "":
		if s.Data.SHA256() != t.digest {
			return ErrAltered
		}
		return nil
	case t.Vouched(o.ID):
		return nil
	case o.ID == t.RootObject.ID:
		return matches(s.Data, bytes.NewReader(t.RootBytes()))
	}
	return matches(s.Data, t.img.Section(o))
}

// matches compares the hash of all of r with a digest.
func matches(d payload.Digest, r io.Reader) error {
	same, err := d.Of(r)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	if !same {
		return ErrAltered
	}
	return nil
}
