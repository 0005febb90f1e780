// Package payload reads what a signature of a SIF image says of the image.
//
// Input: the text that was signed, the same JSON for OpenPGP's and for plain keys
// (sylabs/sif/v2, package integrity). Output: the digests in it. One way of writing
// each content is taken only, that of the library, so that no two readers see
// different contents in it. The package verifies no signature and opens no image.
package payload

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
)

// Payload is what is signed, with the fields in the library's order.
type Payload struct {
	Version int `json:"version"`
	Header  struct {
		Digest Digest `json:"digest"`
	} `json:"header"`
	// Objects are in the order of their ids, none of them twice.
	Objects []Object `json:"objects"`
}

// Object is what a Payload says of an object.
type Object struct {
	// RelativeID is its id less the least one of its group.
	RelativeID uint32 `json:"relativeId"`
	Descriptor Digest `json:"descriptorDigest"`
	Data       Digest `json:"objectDigest"`
}

// Parse reads the text that was signed.
func Parse(text []byte) (*Payload, error) {
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("what is signed: %w", err)
	}
	return p, nil
}

func parse(text []byte) (*Payload, error) {
	var p Payload
	if err := Exactly(text, &p); err != nil {
		return nil, err
	}
	if p.Version != 1 {
		return nil, fmt.Errorf("it has version %d, not 1", p.Version)
	}
	if len(p.Objects) == 0 {
		return nil, errors.New("no object is signed")
	}
	digests := []Digest{p.Header.Digest}
	for i, o := range p.Objects {
		if i > 0 && o.RelativeID <= p.Objects[i-1].RelativeID {
			return nil, fmt.Errorf("it names the object %d twice, or not in order", o.RelativeID)
		}
		digests = append(digests, o.Descriptor, o.Data)
	}
	for _, d := range digests {
		if _, _, err := d.hash(); err != nil {
			return nil, err
		}
	}
	return &p, nil
}

// Digest is ALGORITHM:HEX.
type Digest string

// SHA256 returns the hexadecimal digits of a digest of SHA-256, in lower case; nothing for
// one of another kind.
func (d Digest) SHA256() string {
	digits, ok := strings.CutPrefix(string(d), "sha256:")
	if _, err := hex.DecodeString(digits); !ok || err != nil || len(digits) != 2*sha256.Size {
		return ""
	}
	return strings.ToLower(digits)
}

// hash returns what computes such a digest, and the digest.
func (d Digest) hash() (h hash.Hash, sum []byte, err error) {
	algorithm, value, _ := strings.Cut(string(d), ":")
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	case "sha512_256":
		h = sha512.New512_256()
	default:
		return nil, nil, fmt.Errorf("the hash %q is not taken; SHA-2 of 256 bits or more is", algorithm)
	}
	sum, err = hex.DecodeString(value)
	if err != nil || len(sum) != h.Size() {
		return nil, nil, fmt.Errorf("%q is no digest", string(d))
	}
	return h, sum, nil
}

// Of tells whether it is the digest of all of r. An error is one of reading, or of
// a digest that Parse has not seen.
func (d Digest) Of(r io.Reader) (bool, error) {
	h, sum, err := d.hash()
	if err != nil {
		return false, err
	}
	if _, err := io.Copy(h, r); err != nil {
		return false, err
	}
	return bytes.Equal(h.Sum(nil), sum), nil
}

// Exactly decodes JSON that is written as v would be: no key twice, none that v
// lacks, no other spelling, no space, nothing after.
func Exactly(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, text) {
		return errors.New("the JSON is not in the one form that is taken: " +
			"keys are repeated, unknown or in another order, or spaces are in it")
	}
	return nil
}
