package keyring

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Types of packets (RFC 9580, 5).
const (
	tagSignature    = 2
	tagSecretKey    = 5
	tagPublicKey    = 6
	tagSecretSubkey = 7
	tagMarker       = 10
	tagTrust        = 12
	tagUser         = 13
	tagPublicSubkey = 14
	tagAttribute    = 17
	tagPadding      = 21
)

// packetBytes is a packet as it came.
type packetBytes struct {
	tag  uint8
	body []byte
}

// append writes the packet with a header of the current format (RFC 9580, 4.2.1).
func (p packetBytes) append(b []byte) []byte {
	var buf bytes.Buffer
	_ = (&packet.OpaquePacket{Tag: p.tag, Contents: p.body}).Serialize(&buf) // to memory
	return append(b, buf.Bytes()...)
}

func (p packetBytes) isPrimary() bool { return p.tag == tagPublicKey || p.tag == tagSecretKey }

func (p packetBytes) isKey() bool {
	return p.isPrimary() || p.tag == tagPublicSubkey || p.tag == tagSecretSubkey
}

// publicKey returns what is public of a key's packet.
func (p packetBytes) publicKey() (*packet.PublicKey, error) {
	parsed, err := (&packet.OpaquePacket{Tag: p.tag, Contents: p.body}).Parse()
	if err != nil {
		return nil, err
	}
	switch key := parsed.(type) {
	case *packet.PublicKey:
		return key, nil
	case *packet.PrivateKey:
		return &key.PublicKey, nil
	}
	return nil, fmt.Errorf("packet of type %d", p.tag)
}

// signature returns a signature, nil if it is of a kind that is not known.
func (p packetBytes) signature() *packet.Signature {
	parsed, err := (&packet.OpaquePacket{Tag: p.tag, Contents: p.body}).Parse()
	if err != nil {
		return nil
	}
	s, _ := parsed.(*packet.Signature)
	return s
}

// packetOf returns what a serializer writes, a single packet.
func packetOf(serialize func(io.Writer) error) (packetBytes, error) {
	var b bytes.Buffer
	if err := serialize(&b); err != nil {
		return packetBytes{}, err
	}
	op, err := packet.NewOpaqueReader(&b).Next()
	if err != nil {
		return packetBytes{}, err
	}
	return packetBytes{op.Tag, op.Contents}, nil
}

// block is a key, or what is in the place of one.
type block struct {
	packets []packetBytes
	key     *Key // nil if it is not understood
	err     error
}

// split returns the keys of binary text. The last error is that of a place from
// which on it cannot be read; then a key that may go on there is left out too, as
// it may be revoked in what is missing.
func split(text []byte) (blocks []block, err error) {
	r := packet.NewOpaqueReader(bytes.NewReader(text))
	var packets []packetBytes
	end := func() {
		if len(packets) > 0 {
			k, err := newKey(packets)
			blocks = append(blocks, block{packets, k, err})
			packets = nil
		}
	}
	for {
		op, err := r.Next()
		if errors.Is(err, io.EOF) {
			end()
			return blocks, nil
		}
		if err != nil {
			if op != nil && (packetBytes{tag: op.Tag}).isPrimary() {
				end() // the key before it is whole
			}
			return blocks, hint.Wrap(fmt.Errorf("damaged after %d keys: %w", len(blocks), err),
				"move the file away, and import from it what is whole: sealift key import FILE")
		}
		p := packetBytes{op.Tag, op.Contents}
		switch {
		case p.tag == tagMarker || p.tag == tagTrust || p.tag == tagPadding:
			// Local to a program, or nothing.
		case p.isPrimary():
			end()
			packets = append(packets, p)
		case len(packets) == 0:
			return blocks, hint.New(fmt.Sprintf("this is no key: it starts with a packet of type %d", p.tag), "give a file of gpg --export or sealift key export")
		default:
			packets = append(packets, p)
		}
	}
}

// Import is Parse for what r brings, up to the bound of a keyring.
func Import(r io.Reader) (keys []*Key, problems []error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if err != nil {
		return nil, []error{err}
	}
	return Parse(text)
}

// Parse reads exported keys, armoured or not, public or secret, one or many. The
// errors are those of the keys that it leaves out; without a key there is one.
func Parse(text []byte) (keys []*Key, problems []error) {
	blocks, err := parse(text)
	for _, b := range blocks {
		problem := b.err
		if problem == nil {
			_, problem = b.key.entity()
		}
		if problem != nil {
			problems = append(problems, problem)
		} else {
			keys = append(keys, b.key)
		}
	}
	if err != nil {
		problems = append(problems, err)
	}
	if len(keys)+len(problems) == 0 {
		problems = append(problems, hint.New("there is no key in it", "give a file of gpg --export or sealift key export"))
	}
	return keys, problems
}

// parse reads keys, armoured or not.
func parse(text []byte) ([]block, error) {
	if len(text) > 0 && text[0]&0x80 != 0 { // RFC 9580, 4.2
		return split(text)
	}
	var all []block
	r := bufio.NewReader(bytes.NewReader(text))
	for {
		a, err := armor.Decode(r)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("armour: %w", err)
		}
		if a.Type != openpgp.PublicKeyType && a.Type != openpgp.PrivateKeyType {
			return all, hint.New(fmt.Sprintf("this is no key but a %.50q", a.Type), "give a file of gpg --export or sealift key export")
		}
		binary, err := io.ReadAll(a.Body)
		if err != nil {
			return all, fmt.Errorf("armour: %w", err)
		}
		blocks, err := split(binary)
		all = append(all, blocks...)
		if err != nil {
			return all, err
		}
	}
}

// Armor returns the key as text (RFC 9580, 6).
func (k *Key) Armor() ([]byte, error) {
	kind := openpgp.PublicKeyType
	if k.secret {
		kind = openpgp.PrivateKeyType
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(k.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
