package trust

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Numbers of RFC 9580: 5.2 (signature packets) and 9.5 (hashes).
const (
	tagSignature = 2
	hashSHA256   = 8
	hashSHA384   = 9
	hashSHA512   = 10
)

// checkArmor looks at what is between the lines of an armored signature (RFC
// 9580, 6): one signature packet, with a hash that is taken. The line "Hash" in
// front of the text is a hint that no signature covers, and readers ignore.
func checkArmor(armor string) error {
	_, body, ok := strings.Cut("\n"+armor, "\n\n")
	if !ok {
		return errors.New("the signature is not in armor")
	}
	if i := strings.LastIndex(body, "\n="); i >= 0 {
		body = body[:i] // the checksum, which RFC 9580 no longer wants
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return fmt.Errorf("armor: %w", err)
	}
	packet, err := onlyPacket(b)
	if err != nil {
		return err
	}
	// Versions 4 and 6 begin with: version, type, algorithm of the key, hash.
	if len(packet) < 4 || packet[0] != 4 && packet[0] != 6 {
		return errors.New("the signature is of an unknown version")
	}
	switch packet[3] {
	case hashSHA256, hashSHA384, hashSHA512:
		return nil
	}
	return fmt.Errorf("the signature is over a hash that is not of the SHA-2 family, of 256 bits or more (number %d)", packet[3])
}

// onlyPacket returns the contents of the signature packet that b is (RFC 9580,
// 4.2).
func onlyPacket(b []byte) ([]byte, error) {
	bad := errors.New("the armor holds something else than one signature")
	if len(b) < 2 || b[0]&0x80 == 0 {
		return nil, bad
	}
	tag, length, header := int(b[0]&0x3f), 0, 2
	number := func(from, to int) int {
		n := 0
		for i := from; i < to && i < len(b); i++ {
			n = n<<8 | int(b[i])
		}
		return n
	}
	switch current := b[0]&0x40 != 0; {
	case !current: // the older header says how many bytes of length follow
		tag >>= 2
		header = 1 + 1<<(b[0]&3)
		length = number(1, header)
		if b[0]&3 == 3 {
			return nil, bad
		}
	case b[1] < 192:
		length = int(b[1])
	case b[1] < 224:
		header, length = 3, (int(b[1])-192)<<8+number(2, 3)+192
	case b[1] == 255:
		header, length = 6, number(2, 6)
	default:
		return nil, bad
	}
	if tag != tagSignature || header+length != len(b) {
		return nil, bad
	}
	return b[header:], nil
}
