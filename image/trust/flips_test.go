package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/image/sif"
)

// unused are the bytes of an image that no signature covers, and why nothing is
// decided by them. The reader of images must not look at them.
func unused(b []byte) map[string][2]int {
	at := func(off int) int { return n64(b, off) }
	table := at(96)
	ranges := map[string][2]int{
		"header: architecture; the partition's is used":          {45, 48},
		"header: times; the UUID tells images apart":             {64, 80},
		"header: free descriptors; the flags in use are counted": {80, 88},
		"header: size of the data; each object has its own":      {120, 128},
		"before the descriptor table: padding":                   {128, table},
	}
	end := table + at(104)
	for slot := range at(88) {
		d := table + slot*585
		n := func(what string) string { return fmt.Sprintf("descriptor %d: %s", slot, what) }
		if b[d+4] == 0 {
			ranges[n("not in use")] = [2]int{d, d + 4}
			ranges[n("not in use, the rest")] = [2]int{d + 5, d + 585}
			continue
		}
		ranges[n("size with padding; the next object says where it is")] = [2]int{d + 33, d + 41}
		ranges[n("time of change")] = [2]int{d + 49, d + 57}
		if binary.LittleEndian.Uint32(b[d:]) == 0x4005 {
			hints, lengths := malleable(b, n64(b, d+17), n64(b, d+25))
			ranges[n("a signature's subpackets that it does not cover, hints at the key and the hash")] = hints
			ranges[n("a signature's second number: its length in bits, where only that in bytes counts")] = lengths
			ranges[n("a signature's id; it names it in messages")] = [2]int{d + 5, d + 9}
			ranges[n("a signature's group; it counts for what it is linked to")] = [2]int{d + 9, d + 13}
			ranges[n("a signature's time, owner and name")] = [2]int{d + 41, d + 201}
			ranges[n("a signature's hash; the message says which")] = [2]int{d + 201, d + 205}
			ranges[n("a signature's fingerprint, what is behind its 20 bytes")] = [2]int{d + 225, d + 585}
		}
	}
	first := len(b)
	for slot := range at(88) {
		if d := table + slot*585; b[d+4] != 0 {
			first = min(first, at(d+17))
		}
	}
	ranges["before the first object: padding"] = [2]int{end, first}
	return ranges
}

func n64(b []byte, off int) int { return int(binary.LittleEndian.Uint64(b[off:])) }

// malleable returns the characters of a message that may be others: those of the
// unhashed subpackets, the first two bytes of the hash and the length in bits of
// the first number, and that of the second (RFC 9580, 5.2.3 and 3.2).
func malleable(b []byte, off, size int) (hints, lengths [2]int) {
	text := string(b[off : off+size])
	start := strings.Index(text, beginArmor) + len(beginArmor) + 1
	body := text[start:strings.Index(text, endArmor)]
	p, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return hints, lengths
	}
	n := func(at int) int { return int(binary.BigEndian.Uint16(p[at:])) }
	from := 8 + n(6) // behind the header of 2 bytes
	first := from + 2 + n(from) + 2
	second := first + 2 + (n(first)+7)/8
	chars := func(from, to int) [2]int { // lines have 64
		at := func(i int) int { return off + start + i*4/3 + i*4/3/64 }
		return [2]int{at(from), at(to) + 2}
	}
	return chars(from, first+2), chars(second, second+2)
}

// A flip of any single byte is refused, or is one of a byte that is not used:
// then the report is the same.
func TestEveryByte(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	f := typical(t)
	sign(t, f, k, SignOptions{})
	b := bytesOf(t, f)
	o := Options{Keys: ring(t, k), Now: time.Now()}
	whole, err := verifyBytes(b, o)
	must(t, err)
	must(t, whole.Verdict())
	reasons := make([]string, len(b))
	for why, at := range unused(b) {
		for i := at[0]; i < at[1]; i++ {
			reasons[i] = why
		}
	}
	taken := map[string]int{}
	for i := range b {
		for _, bit := range []byte{0x01, 0xff} {
			if bit == 0x01 && strings.Contains(reasons[i], "padding") {
				continue
			}
			b[i] ^= bit
			r, err := verifyBytes(b, o)
			ok := err == nil && r.Verdict() == nil
			switch {
			case ok && reasons[i] == "":
				t.Errorf("byte %d ^ %#x is neither covered nor known as unused", i, bit)
			case ok:
				taken[reasons[i]]++
				wantSame(t, b, whole, r)
			}
			b[i] ^= bit
		}
	}
	for why, at := range unused(b) {
		if at[0] < at[1] && taken[why] == 0 && !strings.Contains(why, "padding") {
			t.Logf("all flips are refused all the same in %s", why)
		}
	}
	t.Logf("%d bytes, of which these count for nothing: %v", len(b), taken)
}

// wantSame wants what is used of an image to be as before.
func wantSame(t *testing.T, b []byte, before, now *Report) {
	t.Helper()
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	if img.Arch() != "amd64" {
		t.Errorf("architecture %s", img.Arch())
	}
	used := func(r *Report) string {
		var s strings.Builder
		for _, o := range r.Objects {
			fmt.Fprintln(&s, o.ID, o.Type, o.Group, o.Link, o.Name, o.Offset, o.Size, o.Created)
		}
		for _, sig := range r.Signatures {
			fmt.Fprintln(&s, sig.State, sig.Signers, sig.Whole, len(sig.Objects))
		}
		return s.String()
	}
	if used(before) != used(now) {
		t.Errorf("the report is another:\n%s\n%s", used(before), used(now))
	}
}
