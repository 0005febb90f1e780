package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format is the form of a signature object.
type Format string

// The formats: a message in clear text with an OpenPGP signature (RFC 9580, 7),
// and an envelope of DSSE, v1.0, with signatures of plain keys.
const (
	PGP  Format = "PGP"
	DSSE Format = "DSSE"
)

const (
	payloadType = "application/vnd.sylabs.sif-metadata+json"
	beginText   = "-----BEGIN PGP SIGNED MESSAGE-----\n"
	beginArmor  = "\n-----BEGIN PGP SIGNATURE-----\n"
	endArmor    = "\n-----END PGP SIGNATURE-----"
	legacyStart = "SIFHASH:\n"
)

// message is a signature object, read without any key.
type message struct {
	format Format
	// legacy is a message of Singularity before 3.6: a digest of data, without
	// anything about the descriptors.
	legacy bool
	// ids are those of the objects that it names, less the least of their group.
	ids []uint32
	// text is what is signed.
	text []byte
	// keyIDs are what an envelope says of the keys.
	keyIDs []string
}

// parse reads a signature object. It takes one way of writing each content only,
// that of the library, so that no two readers see different contents in it: no
// text around a message, no second message, no key of JSON twice.
func parse(b []byte) (message, error) {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return parseEnvelope(b)
	}
	return parseClear(string(b))
}

// envelope is DSSE's, with its fields in the library's order.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

func parseEnvelope(b []byte) (message, error) {
	m := message{format: DSSE}
	var e envelope
	if err := exactly(bytes.TrimSuffix(b, []byte("\n")), &e); err != nil {
		return m, fmt.Errorf("envelope: %w", err)
	}
	if e.PayloadType != payloadType {
		return m, fmt.Errorf("envelope: its payload is of type %q", e.PayloadType)
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	if err != nil {
		return m, fmt.Errorf("envelope: %w", err)
	}
	for _, s := range e.Signatures {
		m.keyIDs = append(m.keyIDs, s.KeyID)
	}
	m.text = payload
	m.ids, err = parsePayload(payload)
	return m, err
}

func parseClear(text string) (message, error) {
	m := message{format: PGP}
	rest, ok := strings.CutPrefix(text, beginText)
	if !ok {
		return message{}, errors.New("it is neither an OpenPGP message in clear text nor an envelope")
	}
	headers, rest, ok := strings.Cut(rest, "\n\n")
	if hash, named := strings.CutPrefix(headers, "Hash: "); !ok || !named ||
		!slices.Contains([]string{"SHA256", "SHA384", "SHA512"}, hash) {
		return m, fmt.Errorf("message: its hash is not of the SHA-2 family, of 256 bits or more: %q", headers[:min(len(headers), 80)])
	}
	content, armor, ok := strings.Cut(rest, beginArmor)
	if !ok {
		return m, errors.New("message: the signature is missing")
	}
	after := strings.Index(armor, endArmor)
	if after < 0 || strings.Trim(armor[after+len(endArmor):], "\n") != "" {
		return m, errors.New("message: there is text after the signature")
	}
	if strings.Contains(armor[:after], "-----") {
		return m, errors.New("message: there is a second signature")
	}
	if err := checkArmor(armor[:after]); err != nil {
		return m, fmt.Errorf("message: %w", err)
	}
	if digest, legacy := strings.CutPrefix(content, legacyStart); legacy {
		m.legacy = true
		if _, err := hex.DecodeString(digest); err != nil {
			return m, fmt.Errorf("message: digest: %w", err)
		}
		return m, nil
	}
	var err error
	m.text = []byte(content)
	m.ids, err = parsePayload(m.text)
	return m, err
}

// payload is what is signed, with the fields in the library's order.
type payload struct {
	Version int `json:"version"`
	Header  struct {
		Digest digest `json:"digest"`
	} `json:"header"`
	Objects []struct {
		RelativeID       uint32 `json:"relativeId"`
		DescriptorDigest digest `json:"descriptorDigest"`
		ObjectDigest     digest `json:"objectDigest"`
	} `json:"objects"`
}

// digest is ALGORITHM:HEX.
type digest string

func (d digest) check() error {
	algorithm, value, _ := strings.Cut(string(d), ":")
	size, ok := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128, "sha512_256": 64}[algorithm]
	if !ok {
		return fmt.Errorf("the hash %q is not taken; SHA-2 of 256 bits or more is", algorithm)
	}
	if _, err := hex.DecodeString(value); err != nil || len(value) != size {
		return fmt.Errorf("%q is no digest", string(d))
	}
	return nil
}

// parsePayload returns the ids of the objects that are signed.
func parsePayload(b []byte) (ids []uint32, err error) {
	var p payload
	if err := exactly(b, &p); err != nil {
		return nil, fmt.Errorf("what is signed: %w", err)
	}
	if p.Version != 1 {
		return nil, fmt.Errorf("what is signed has version %d, not 1", p.Version)
	}
	if len(p.Objects) == 0 {
		return nil, errors.New("no object is signed")
	}
	digests := []digest{p.Header.Digest}
	for i, o := range p.Objects {
		if i > 0 && o.RelativeID <= ids[i-1] {
			return nil, fmt.Errorf("what is signed names the object %d twice, or not in order", o.RelativeID)
		}
		ids = append(ids, o.RelativeID)
		digests = append(digests, o.DescriptorDigest, o.ObjectDigest)
	}
	for _, d := range digests {
		if err := d.check(); err != nil {
			return nil, fmt.Errorf("what is signed: %w", err)
		}
	}
	return ids, nil
}

// exactly decodes JSON that is written as v would be: no key twice, none that v
// lacks, no other spelling, no space, nothing after.
func exactly(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errors.New("the JSON is not in the one form that is taken: " +
			"keys are repeated, unknown or in another order, or spaces are in it")
	}
	return nil
}
