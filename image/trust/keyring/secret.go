package keyring

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Lengths of new RSA keys in bits.
const (
	DefaultBits = 4096
	maxBits     = 8192
)

// New makes a secret key that signs and certifies, with a subkey that encrypts,
// both RSA, as Apptainer's are. An empty passphrase leaves it open.
func New(u User, bits int, passphrase []byte, now time.Time) (*Key, error) {
	if bits < minRSA || bits > maxBits {
		return nil, hint.New(fmt.Sprintf("a key of %d bits is too short or too long", bits), "choose %d to %d, such as %d", minRSA, maxBits, DefaultBits)
	}
	if u.Name == "" && u.Email == "" {
		return nil, hint.New("a key needs the name or the email address of whom it belongs to", "use --name and --email")
	}
	e, err := openpgp.NewEntity(u.Name, u.Comment, u.Email, &packet.Config{
		RSABits: bits, DefaultHash: crypto.SHA512, Time: func() time.Time { return now },
	})
	if err != nil {
		return nil, hint.Wrap(err, "leave out parentheses, angle brackets and control characters")
	}
	if err := lock(e, passphrase); err != nil {
		return nil, err
	}
	return serialized(e)
}

// serialized returns the secret key of an entity.
func serialized(e *openpgp.Entity) (*Key, error) {
	var b bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, err
	}
	blocks, err := split(b.Bytes())
	if err != nil {
		return nil, err
	}
	return blocks[0].key, blocks[0].err
}

// lock encrypts with AES-256 and the salted, iterated SHA-256 of a passphrase at
// its slowest (RFC 9580, 3.7.1.3), which GnuPG and Apptainer read.
func lock(e *openpgp.Entity, passphrase []byte) error {
	if len(passphrase) == 0 {
		return nil
	}
	return e.EncryptPrivateKeys(passphrase, &packet.Config{
		DefaultCipher: packet.CipherAES256,
		S2KConfig:     &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, Hash: crypto.SHA256, S2KCount: 65011712},
	})
}

// Locked says whether a passphrase is needed to use a secret key.
func (k *Key) Locked() bool {
	e, err := k.entity()
	if err != nil || !k.secret {
		return false
	}
	return slices.ContainsFunc(privateKeys(e), func(p *packet.PrivateKey) bool { return p.Encrypted })
}

func privateKeys(e *openpgp.Entity) (keys []*packet.PrivateKey) {
	if e.PrivateKey != nil && !e.PrivateKey.Dummy() {
		keys = append(keys, e.PrivateKey)
	}
	for _, s := range e.Subkeys {
		if s.PrivateKey != nil && !s.PrivateKey.Dummy() {
			keys = append(keys, s.PrivateKey)
		}
	}
	return keys
}

// maxTries is how often a passphrase is asked for.
const maxTries = 3

// ErrPassphrase is that no passphrase that was given fits.
var ErrPassphrase = hint.New("the passphrase is wrong", "find the right one; a lost one cannot be replaced, only the key can")

// Unlock makes the Entity of a secret key ready to sign. It asks for the
// passphrase if need be, again while that is wrong; try counts from 1. When ask
// has no other answer to give, it returns ErrPassphrase.
func (k *Key) Unlock(ask func(try int) ([]byte, error)) error {
	e, err := k.entity()
	if err != nil {
		return err
	}
	if !k.secret {
		return hint.New(fmt.Sprintf("the key %s cannot sign: it is a public one", k.Fingerprint()), "choose one of sealift key list --secret")
	}
	for try := 1; k.Locked(); try++ {
		if try > maxTries {
			return ErrPassphrase
		}
		passphrase, err := ask(try)
		if err != nil {
			return err
		}
		// What is wrong with a key that does not open is not told apart from what
		// is wrong with the passphrase.
		if e.DecryptPrivateKeys(passphrase) == nil {
			return nil
		}
	}
	return nil
}

// Relocked returns an unlocked secret key with a new passphrase; an empty one
// leaves it open.
func (k *Key) Relocked(passphrase []byte) (*Key, error) {
	if k.Locked() {
		return nil, fmt.Errorf("key %s is locked", k.Fingerprint())
	}
	// The entity stays open for whoever uses it.
	copied, err := k.withEntity()
	if err != nil {
		return nil, err
	}
	e, err := copied.entity()
	if err != nil {
		return nil, err
	}
	if err := lock(e, passphrase); err != nil {
		return nil, err
	}
	return copied.withEntity()
}

// withEntity returns the key with the packets of secret keys as they are in its
// entity now.
func (k *Key) withEntity() (*Key, error) {
	e, err := k.entity()
	if err != nil {
		return nil, err
	}
	return k.replaced(func(p packetBytes) (packetBytes, error) {
		public, err := p.publicKey()
		if err != nil {
			return p, nil // as little understood as before
		}
		for _, secret := range privateKeys(e) {
			if secret.KeyId == public.KeyId {
				return packetOf(secret.Serialize)
			}
		}
		return p, nil
	})
}

// Public returns what is public of a key.
func (k *Key) Public() (*Key, error) {
	if !k.secret {
		return k, nil
	}
	return k.replaced(func(p packetBytes) (packetBytes, error) {
		public, err := p.publicKey()
		if err != nil {
			return packetBytes{}, fmt.Errorf("key %s: subkey: %w", k.Fingerprint(), err)
		}
		return packetOf(public.Serialize)
	})
}

// replaced returns the key with other packets for keys.
func (k *Key) replaced(with func(packetBytes) (packetBytes, error)) (*Key, error) {
	packets := slices.Clone(k.packets)
	for i, p := range packets {
		if !p.isKey() {
			continue
		}
		var err error
		if packets[i], err = with(p); err != nil {
			return nil, err
		}
	}
	return newKey(packets)
}
