package keyring

import (
	"errors"
	"fmt"
	"slices"
)

// part is a key, a user or a subkey, with the signatures about it.
type part struct {
	// name is the same for the same thing in another copy of the key.
	name string
	head packetBytes
	sigs []packetBytes
}

// parts takes a key apart.
func parts(packets []packetBytes) (list []part) {
	for _, p := range packets {
		if p.tag == tagSignature && len(list) > 0 {
			last := &list[len(list)-1]
			last.sigs = append(last.sigs, p)
			continue
		}
		name := fmt.Sprint(p.tag) + string(p.body)
		if p.isKey() {
			// A secret key's packet differs with each passphrase.
			if public, err := p.publicKey(); err == nil {
				name = string(public.Fingerprint)
			}
		}
		list = append(list, part{name: name, head: p})
	}
	return list
}

// rank orders the parts of a key: the primary key, users, subkeys.
func (p part) rank() int {
	switch {
	case p.head.isPrimary():
		return 0
	case p.head.isKey():
		return 2
	}
	return 1
}

// merged returns a key with what another copy of it has beside: users, subkeys,
// signatures. So a revocation that is known once stays known. The copy's own
// signatures have to be right, or a stranger's copy could make the key useless.
func (k *Key) merged(other *Key) (*Key, error) {
	if k.Fingerprint() != other.Fingerprint() || k.secret != other.secret {
		return nil, errors.New("two keys cannot become one")
	}
	list := parts(k.packets)
	at, known := map[string]int{}, map[string]bool{}
	for i, p := range list {
		at[p.name] = i
		for _, s := range p.sigs {
			known[p.name+string(s.body)] = true
		}
	}
	for _, more := range parts(other.packets) {
		i, there := at[more.name]
		if !there {
			i = len(list)
			at[more.name] = i
			list = append(list, part{name: more.name, head: more.head})
		}
		for _, s := range more.sigs {
			if id := more.name + string(s.body); !known[id] {
				known[id] = true
				list[i].sigs = append(list[i].sigs, s)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b part) int { return a.rank() - b.rank() })
	both, err := newKey(joined(list))
	if err != nil {
		return nil, err
	}
	if _, err := both.entity(); err != nil {
		return nil, fmt.Errorf("what is new of it is wrong: %w", err)
	}
	return both, nil
}

func joined(list []part) (packets []packetBytes) {
	for _, p := range list {
		packets = append(append(packets, p.head), p.sigs...)
	}
	return packets
}

// Own returns the key without the signatures of others about it, as servers
// collect them from anybody, and without what it does not sign itself.
func (k *Key) Own() (*Key, error) {
	var own []part
	for i, p := range parts(k.packets) {
		p.sigs = slices.DeleteFunc(p.sigs, func(s packetBytes) bool {
			parsed := s.signature()
			return parsed == nil || !parsed.CheckKeyIdOrFingerprint(k.primary)
		})
		if i == 0 || len(p.sigs) > 0 {
			own = append(own, p)
		}
	}
	return newKey(joined(own))
}
