// Package trust signs SIF images and verifies signatures, as Apptainer does.
//
// Input: an image that is open, and keys: rings of OpenPGP keys (keyring), plain
// keys and certificates (pem). Output: signatures added to the file; or a Report
// that says of every signature what it is worth, and a verdict over it. The
// cryptography and the digests are sif/v2's, pkg/integrity; which objects a
// signature is about is read here again, and both must agree. The package knows
// no keyring's place, asks nobody and prints nothing.
//
// A signature covers the launch line, magic, version and UUID of the header; of
// each object it names, the type, id and link, size, creation time, owner, name
// and extra fields of the descriptor; and the data. It does not cover the
// architecture, times and counts in the header, nor group, offset, padding and
// change time in a descriptor, nor other signatures. Who trusts an image uses
// what is covered: objects of this Report, the architecture of the partition.
package trust

import (
	"slices"

	"github.com/sealift/sealift/image/sif"
)

// State says what a signature is worth.
type State string

// The states.
const (
	// Good is a signature of a known key over what the image holds.
	Good State = "verified"
	// Unknown is a signature of a key that is not known.
	Unknown State = "unknown key"
	// Expired is a signature that has ended, or whose key has, or has not begun.
	Expired State = "expired"
	// Revoked is a signature of a key that was revoked.
	Revoked State = "revoked"
	// Weak is a signature of a key that others may be able to sign with.
	Weak State = "weak key"
	// Tampered is a signature over something else than the image holds, or one
	// that its key did not make.
	Tampered State = "tampered"
	// Refused is a signature in a form, or by an algorithm, that is not taken.
	Refused State = "refused"
	// Legacy is a signature that covers no descriptor, and was not asked for.
	Legacy State = "legacy"
)

// Signer is whom a key belongs to.
type Signer struct {
	// Name is a user of an OpenPGP key, the subject of a certificate, or a file.
	Name string
	// Fingerprint is that of an OpenPGP key, 40 digits; or of a plain key, the 64
	// digits of the SHA-256 of its SubjectPublicKeyInfo (RFC 5280, 4.1).
	Fingerprint string
	// Ring is the place in Options.Keys of the ring that has an OpenPGP key.
	Ring int
}

// Signature is what is known of one.
type Signature struct {
	// Object is the object that holds it.
	Object sif.Object
	Format Format
	// Legacy is that it covers no descriptor.
	Legacy bool
	State  State
	// Signers are those whose keys fit. There are none in the states Unknown and
	// Refused, and in Tampered where no known key made it.
	Signers []Signer
	// Claimed is the fingerprint in the descriptor, which anybody may have written.
	Claimed string
	// Whole is that it is about all objects of its group, and them only.
	Whole bool
	// Objects are those that were found to be as signed. There are none where it is
	// about such alone that Options.Vouched names: Good then says whose it is, and no more.
	Objects []sif.Object
	// Text is what it signs, JSON that says of the header and of each object what
	// it was. It is the signer's where the State is Good.
	Text []byte
	// Changed is the id of the object that is not as it was signed, if it is known.
	Changed uint32
	// Err is why it is not good.
	Err error

	// ignored is that no key of its kind was to be looked at.
	ignored bool
}

func (s *Signature) covers(id uint32) bool {
	return slices.ContainsFunc(s.Objects, func(o sif.Object) bool { return o.ID == id })
}

// Report is what is known of the signatures that were asked for.
type Report struct {
	// Signatures are in the order of their objects.
	Signatures []Signature
	// Objects are those that were to be verified.
	Objects []sif.Object
	// Vouched are those that Options.Vouched names, of which nothing was read.
	Vouched []sif.Object
	// Others are the other objects that are no signatures.
	Others []sif.Object

	// single are the ids of objects that were asked for without their group.
	single []uint32
}

// Covering returns the good signatures over an object: such as are about the
// whole of its group, unless single objects were asked for.
func (r *Report) Covering(o sif.Object) (good []Signature) {
	for _, s := range r.Signatures {
		if s.State == Good && s.covers(o.ID) && (s.Whole || s.Legacy || slices.Contains(r.single, o.ID)) {
			good = append(good, s)
		}
	}
	return good
}
