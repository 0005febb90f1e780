package keyring

import (
	"fmt"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Ring is a set of keys. It is an openpgp.KeyRing that reads the signatures of a
// key when that key is asked for.
type Ring struct {
	blocks []block
	// damage is why the rest of the file is not known.
	damage error
	byID   map[uint64][]*Key
	at     map[string]int // the first block with a fingerprint
}

// NewRing returns a ring of keys that are in no file.
func NewRing(keys ...*Key) *Ring {
	r := &Ring{}
	for _, k := range keys {
		r.blocks = append(r.blocks, block{packets: k.packets, key: k})
	}
	r.index()
	return r
}

func (r *Ring) index() {
	r.byID, r.at = map[uint64][]*Key{}, map[string]int{}
	for i, b := range r.blocks {
		if b.key != nil {
			if print := b.key.Fingerprint(); !r.has(print) {
				r.at[print] = i
			}
		}
		if b.err != nil {
			continue
		}
		for _, id := range b.key.ids {
			r.byID[id] = append(r.byID[id], b.key)
		}
	}
}

// Keys returns the keys in the order of the file.
func (r *Ring) Keys() (keys []*Key) {
	for _, b := range r.blocks {
		if b.err == nil {
			keys = append(keys, b.key)
		}
	}
	return keys
}

// Problems returns what in the file is not understood.
func (r *Ring) Problems() (problems []error) {
	for i, b := range r.blocks {
		if b.err != nil {
			problems = append(problems, fmt.Errorf("entry %d: %w", i, b.err))
		}
	}
	if r.damage != nil {
		problems = append(problems, r.damage)
	}
	return problems
}

// Find returns the key of a fingerprint of 40 digits, or nil.
func (r *Ring) Find(fingerprint string) *Key {
	if i := r.position(fingerprint); i >= 0 && r.blocks[i].err == nil {
		return r.blocks[i].key
	}
	return nil
}

// position finds a key also where it does not count.
func (r *Ring) position(fingerprint string) int {
	if i, ok := r.at[fingerprint]; ok {
		return i
	}
	return -1
}

func (r *Ring) has(fingerprint string) bool { return r.position(fingerprint) >= 0 }

// append adds a key that is not there.
func (r *Ring) append(k *Key) {
	r.at[k.Fingerprint()] = len(r.blocks)
	r.blocks = append(r.blocks, block{packets: k.packets, key: k})
}

// FindByID returns the keys that have the key ID, of the primary key or of a
// subkey. There may be several: IDs can be forged.
func (r *Ring) FindByID(id uint64) []*Key { return r.byID[id] }

// Entities returns the keys for the OpenPGP library, without those whose own
// signatures are wrong.
func (r *Ring) Entities() openpgp.EntityList { return entities(r.Keys()) }

func entities(keys []*Key) (list openpgp.EntityList) {
	for _, k := range keys {
		if e, err := k.entity(); err == nil {
			list = append(list, e)
		}
	}
	return list
}

// KeysById is openpgp.KeyRing's.
func (r *Ring) KeysById(id uint64) []openpgp.Key { return entities(r.byID[id]).KeysById(id) }

// KeysByIdUsage is openpgp.KeyRing's.
func (r *Ring) KeysByIdUsage(id uint64, usage byte) []openpgp.Key {
	return entities(r.byID[id]).KeysByIdUsage(id, usage)
}

// DecryptionKeys is openpgp.KeyRing's. There are none: images are not encrypted
// to keys of these rings.
func (r *Ring) DecryptionKeys() []openpgp.Key { return nil }

// Rings are several as one, an openpgp.KeyRing too. A key that is in several has
// what all of them know of it: it is revoked if one says so.
type Rings []*Ring

// Find returns a key and the number of the first ring that has it, or nil.
func (rs Rings) Find(fingerprint string) (*Key, int) {
	var found *Key
	first := -1
	for i, r := range rs {
		if k := r.Find(fingerprint); k != nil {
			if first < 0 {
				first = i
			}
			found = with(found, k)
		}
	}
	return found, first
}

// FindByID returns the keys of all rings that have the key ID.
func (rs Rings) FindByID(id uint64) (keys []*Key) {
	for _, r := range rs {
		for _, k := range r.byID[id] {
			i := slices.IndexFunc(keys, func(have *Key) bool { return have.Fingerprint() == k.Fingerprint() })
			if i < 0 {
				keys = append(keys, k)
			} else {
				keys[i] = with(keys[i], k)
			}
		}
	}
	return keys
}

// with returns what two copies of a key know, as far as it fits together.
func with(k, other *Key) *Key {
	if k == nil {
		return other
	}
	if both, err := k.merged(other); err == nil {
		return both
	}
	return k
}

// KeysById is openpgp.KeyRing's.
func (rs Rings) KeysById(id uint64) []openpgp.Key { return entities(rs.FindByID(id)).KeysById(id) }

// KeysByIdUsage is openpgp.KeyRing's.
func (rs Rings) KeysByIdUsage(id uint64, usage byte) []openpgp.Key {
	return entities(rs.FindByID(id)).KeysByIdUsage(id, usage)
}

// DecryptionKeys is openpgp.KeyRing's.
func (Rings) DecryptionKeys() []openpgp.Key { return nil }
