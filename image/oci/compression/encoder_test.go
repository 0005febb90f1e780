package compression

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// mixed is text, noise and zeros, longer than what encoders look at together.
func mixed() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for range 40 {
		switch r.IntN(3) {
		case 0:
			b.WriteString(strings.Repeat(fmt.Sprintln("text", r.Uint32()), 20_000))
		case 1:
			for range 50_000 {
				b.WriteByte(byte(r.Uint32()))
			}
		default:
			b.Write(make([]byte, 300_000))
		}
	}
	return b.Bytes()
}

// encode compresses data that comes in pieces.
func encode(t *testing.T, c Choice, data []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewEncoder(&out, c)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(piece, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEncoder: what is written is read, and depends neither on how it came nor
// on the number of processors.
func TestEncoder(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	plain := mixed()
	for _, c := range []Choice{{Kind: None}, {Kind: Gzip}, {Gzip, 1}, {Gzip, 9}, {Kind: Zstd}, {Zstd, 1}, {Zstd, 19}} {
		sums := map[[32]byte]bool{}
		var out []byte
		for _, way := range [][2]int{{1, 1 << 20}, {4, 4097}, {64, 1 << 30}} {
			runtime.GOMAXPROCS(way[0])
			out = encode(t, c, plain, way[1])
			sums[sha256.Sum256(out)] = true
		}
		if len(sums) != 1 {
			t.Errorf("%+v: %d outputs", c, len(sums))
		}
		r := bufio.NewReader(bytes.NewReader(out))
		if kind, err := Sniff(r); err != nil || kind != c.Kind {
			t.Errorf("%+v: is %s, %v", c, kind, err)
		}
		d, err := NewDecoder(c.Kind, r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%+v: %d bytes, %v", c, len(got), err)
		}
		if kind, err := Of(c.Kind.MediaType()); err != nil || kind != c.Kind {
			t.Errorf("%s: %s, %v", c.Kind.MediaType(), kind, err)
		}
	}
}

// full is a writer that takes no more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("full")

// TestEncoderFails when its output does.
func TestEncoderFails(t *testing.T) {
	for _, kind := range []Kind{None, Gzip, Zstd} {
		w, err := NewEncoder(full{}, Choice{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(mixed())
		if err = errors.Join(err, w.Close()); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := NewEncoder(io.Discard, Choice{}); err == nil {
		t.Error("no kind")
	}
}

func TestParseChoice(t *testing.T) {
	for text, want := range map[string]Choice{
		"gzip": {Kind: Gzip}, "zstd": {Kind: Zstd}, "none": {Kind: None}, "gzip:9": {Gzip, 9}, "zstd:22": {Zstd, 22},
	} {
		if got, err := ParseChoice(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string][2]string{
		"xz": {`by "xz"`, "choose gzip"}, "": {`by ""`, "choose gzip"}, "none:1": {"none has no levels", "write none"},
		"gzip:10": {"levels of gzip are 1 to 9", "default"}, "zstd:0": {"1 to 22", "default"}, "zstd:": {"1 to 22", "default"},
	} {
		_, err := ParseChoice(text)
		if err == nil || !strings.Contains(err.Error(), want[0]) || !strings.Contains(hint.Of(err), want[1]) {
			t.Errorf("%s: %v, hint %q", text, err, hint.Of(err))
		}
	}
}
