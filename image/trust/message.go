package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/trust/payload"
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
	// armor is the signature of a message.
	armor string
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
	if err := payload.Exactly(bytes.TrimSuffix(b, []byte("\n")), &e); err != nil {
		return m, fmt.Errorf("envelope: %w", err)
	}
	if e.PayloadType != payloadType {
		return m, fmt.Errorf("envelope: its payload is of type %q", e.PayloadType)
	}
	text, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	if err != nil {
		return m, fmt.Errorf("envelope: %w", err)
	}
	for _, s := range e.Signatures {
		m.keyIDs = append(m.keyIDs, s.KeyID)
	}
	return m, m.says(text)
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
	m.armor = beginArmor + armor[:after+len(endArmor)]
	if digest, legacy := strings.CutPrefix(content, legacyStart); legacy {
		m.legacy = true
		if _, err := hex.DecodeString(digest); err != nil {
			return m, fmt.Errorf("message: digest: %w", err)
		}
		return m, nil
	}
	return m, m.says([]byte(content))
}

// says notes what is signed.
func (m *message) says(text []byte) error {
	p, err := payload.Parse(text)
	if err != nil {
		return err
	}
	m.text = text
	for _, o := range p.Objects {
		m.ids = append(m.ids, o.RelativeID)
	}
	return nil
}
