// Package keyring keeps OpenPGP keys in Apptainer's files, shared with it, and
// reads and writes keys as GnuPG exports them (RFC 9580, and RFC 4880 before it).
//
// Input: files, exported keys, passphrases by a callback. Output: keys, rings of
// them that verify signatures, files that appear whole or not at all. A key stays
// packet by packet as it came: what is not understood here is not lost. Keys are
// untrusted until a person compared a fingerprint; what is known of one is only
// what it says itself, with its own signature. The package asks nobody, prints
// nothing, and is the only one that knows the OpenPGP library.
package keyring

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Key is a primary key with its users, subkeys and signatures: a transferable
// public or secret key of RFC 9580, 10.1 and 10.2.
type Key struct {
	packets []packetBytes
	primary *packet.PublicKey
	secret  bool
	// ids are those of the primary key and of the subkeys.
	ids    []uint64
	entity func() (*openpgp.Entity, error)
}

// newKey returns the key of packets, of which the first is a primary key.
func newKey(packets []packetBytes) (*Key, error) {
	k := &Key{packets: packets, secret: packets[0].tag == tagSecretKey}
	for i, p := range packets {
		if !p.isKey() {
			continue
		}
		public, err := p.publicKey()
		if i == 0 {
			if err == nil && public.Version != 4 {
				err = fmt.Errorf("version %d is not known here", public.Version)
			}
			if err != nil {
				return nil, fmt.Errorf("key: %w", err)
			}
			k.primary = public
		}
		if err == nil {
			k.ids = append(k.ids, public.KeyId)
		}
	}
	k.entity = sync.OnceValues(func() (*openpgp.Entity, error) {
		e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.Bytes())))
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Fingerprint(), err)
		}
		return e, nil
	})
	return k, nil
}

// Entity returns the key for the OpenPGP library, always the same one. It is an
// error if a signature of the key about itself is wrong.
func (k *Key) Entity() (*openpgp.Entity, error) { return k.entity() }

// Bytes returns the key's packets.
func (k *Key) Bytes() []byte {
	var b []byte
	for _, p := range k.packets {
		b = p.append(b)
	}
	return b
}

// Fingerprint returns 40 hexadecimal digits in upper case, which are the name of
// the key.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.primary.Fingerprint) }

// ParseFingerprint reads 40 hexadecimal digits, with or without 0x and spaces.
// Fewer do not tell one key from another.
func ParseFingerprint(text string) (string, error) {
	digits := strings.ToUpper(strings.Join(strings.Fields(text), ""))
	digits = strings.TrimPrefix(digits, "0X")
	if len(digits) != 40 || strings.Trim(digits, "0123456789ABCDEF") != "" {
		return "", hint.New(fmt.Sprintf("%.100q is no fingerprint of a key", text),
			"give all 40 hexadecimal digits; shorter ones can be forged")
	}
	return digits, nil
}

// Secret says whether the key can sign.
func (k *Key) Secret() bool { return k.secret }

// Created is when the key says it was made.
func (k *Key) Created() time.Time { return k.primary.CreationTime }

// curveBits are the lengths of curves, by the library's names of them.
var curveBits = map[packet.Curve]int{
	packet.Curve25519: 256, packet.Curve448: 448, packet.CurveNistP256: 256, packet.CurveNistP384: 384, packet.CurveNistP521: 521,
	packet.CurveSecP256k1: 256, packet.CurveBrainpoolP256: 256, packet.CurveBrainpoolP384: 384, packet.CurveBrainpoolP512: 512,
}

// Bits is the length of the key, of the modulus or of the curve; 0 is unknown.
func (k *Key) Bits() int {
	if curve, err := k.primary.Curve(); err == nil {
		return curveBits[curve]
	}
	n, err := k.primary.BitLength()
	if err != nil {
		return 0
	}
	return int(n)
}

// algorithms are those of RFC 9580, 9.1, that sign.
var algorithms = map[packet.PublicKeyAlgorithm]string{
	packet.PubKeyAlgoRSA: "RSA", packet.PubKeyAlgoRSASignOnly: "RSA", packet.PubKeyAlgoDSA: "DSA", packet.PubKeyAlgoECDSA: "ECDSA",
	packet.PubKeyAlgoEdDSA: "EdDSA", packet.PubKeyAlgoEd25519: "Ed25519", packet.PubKeyAlgoEd448: "Ed448",
}

// Algorithm returns its name.
func (k *Key) Algorithm() string {
	if name := algorithms[k.primary.PubKeyAlgo]; name != "" {
		return name
	}
	return fmt.Sprintf("algorithm %d", k.primary.PubKeyAlgo)
}

// User is whom a key says it belongs to. Any part may be empty.
type User struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	Email   string `json:"email"`
}

// Users returns whom the key says it belongs to, its main user first. They are
// untrusted text.
func (k *Key) Users() []User {
	e, err := k.entity()
	if err != nil {
		return nil
	}
	main := e.PrimaryIdentity()
	names := slices.SortedFunc(maps.Keys(e.Identities), func(a, b string) int {
		if main != nil && (a == main.Name) != (b == main.Name) {
			if a == main.Name {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var users []User
	for _, name := range names {
		id := e.Identities[name].UserId
		users = append(users, User{id.Name, id.Comment, id.Email})
	}
	return users
}

// State is whether a key counts.
type State string

// The states. A weak key can be forged: DSA, or RSA of less than 2048 bits (RFC
// 9580, 12.4 and 12.5). The signatures of an unusable one about itself are wrong.
const (
	Valid    State = "valid"
	Expired  State = "expired"
	Future   State = "not valid yet"
	Revoked  State = "revoked"
	Weak     State = "weak"
	Unusable State = "unusable"
)

// minRSA is in bits.
const minRSA = 2048

// State returns the key's state at a time.
func (k *Key) State(now time.Time) State {
	e, err := k.entity()
	if err != nil {
		return Unusable
	}
	self, user := e.PrimarySelfSignature()
	switch {
	case self == nil:
		return Unusable
	case e.Revoked(now) || user != nil && user.Revoked(now):
		return Revoked
	case k.weak():
		return Weak
	case k.Created().After(now):
		return Future
	case e.PrimaryKey.KeyExpired(self, now) || self.SigExpired(now):
		return Expired
	}
	return Valid
}

func (k *Key) weak() bool {
	switch k.Algorithm() {
	case "RSA":
		return k.Bits() < minRSA
	case "ECDSA", "EdDSA", "Ed25519", "Ed448":
		return false
	}
	return true
}

// Expires returns when the key expires, or the zero time.
func (k *Key) Expires() time.Time {
	e, err := k.entity()
	if err != nil {
		return time.Time{}
	}
	self, _ := e.PrimarySelfSignature()
	if self == nil || self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return k.Created().Add(time.Duration(*self.KeyLifetimeSecs) * time.Second)
}
