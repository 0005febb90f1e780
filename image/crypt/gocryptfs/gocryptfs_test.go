package gocryptfs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift/buildcfg/hint"
)

const password = "open sesame"

// plain is what the files in testdata hold.
var plain = func() []byte {
	var b bytes.Buffer
	for i := range 1250 {
		fmt.Fprintf(&b, "%07d\n", i)
	}
	return b.Bytes()
}()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	must(t, err)
	return b
}

// decrypt opens a configuration and a file, and reads all of that.
func decrypt(conf, file []byte, password string) ([]byte, error) {
	c, err := ParseConfig(conf)
	if err != nil {
		return nil, err
	}
	cipher, err := c.Unlock([]byte(password))
	if err != nil {
		return nil, err
	}
	return readAll(cipher, file)
}

func readAll(c *Cipher, file []byte) ([]byte, error) {
	f, err := c.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	b := make([]byte, f.Size())
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

func cipherOf(t testing.TB, name string) *Cipher {
	t.Helper()
	c, err := ParseConfig(read(t, name+".conf"))
	must(t, err)
	cipher, err := c.Unlock([]byte(password))
	must(t, err)
	return cipher
}

// TestKnownAnswers reads what gocryptfs wrote.
func TestKnownAnswers(t *testing.T) {
	for _, name := range []string{"gcm", "xchacha"} {
		got, err := decrypt(read(t, name+".conf"), read(t, name+".bin"), password)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		for _, wrong := range []string{"", "open sesam", "open sesame ", "Open sesame"} {
			if _, err := decrypt(read(t, name+".conf"), nil, wrong); !errors.Is(err, ErrPassword) {
				t.Errorf("%s with %q: %v", name, wrong, err)
			}
		}
	}
}

// TestReadAt reads every range that begins or ends near a boundary.
func TestReadAt(t *testing.T) {
	file := read(t, "gcm.bin")
	f, err := cipherOf(t, "gcm").Open(bytes.NewReader(file), int64(len(file)))
	must(t, err)
	var at []int
	for _, x := range []int{0, 4096, 8192, 10000} {
		at = append(at, x-1, x, x+1, x+100)
	}
	for _, from := range at[1:] {
		for _, to := range at {
			if to <= from {
				continue
			}
			p := make([]byte, to-from)
			n, err := f.ReadAt(p, int64(from))
			want := plain[min(from, len(plain)):min(to, len(plain))]
			if !bytes.Equal(p[:n], want) || (err == io.EOF) != (to > len(plain)) || err != nil && err != io.EOF {
				t.Errorf("%d to %d: %d bytes, %v", from, to, n, err)
			}
		}
	}
	if _, err := f.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset")
	}
	must(t, iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), plain))
}

// written encrypts a plaintext in pieces, with a start that comes in the end.
func written(t testing.TB, c *Cipher, plain []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := c.NewWriter(&out)
	late := bytes.Clone(plain)
	clear(late[:96])
	for rest := late; len(rest) > 0; {
		n, err := w.Write(rest[:min(piece, len(rest))])
		must(t, err)
		rest = rest[n:]
	}
	head, err := w.Finish(plain[:96])
	must(t, err)
	if w.Size() != int64(out.Len()) || !isZero(out.Bytes()[:len(head)]) {
		t.Errorf("%d bytes are %d", out.Len(), w.Size())
	}
	return append(head, out.Bytes()[len(head):]...)
}

func TestWrite(t *testing.T) {
	conf, c, err := NewConfig([]byte(password), false)
	must(t, err)
	seen := map[string]bool{}
	for _, size := range []int{4096, 4097, 8191, 8192, writeBlocks*4096 + 4096, 3*writeBlocks*4096 + 17} {
		for _, piece := range []int{1 << 20, 4096, 1000} {
			text := bytes.Repeat([]byte("All the world's a stage.\n"), size/25+1)[:size]
			file := written(t, c, text, piece)
			got, err := readAll(c, file)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes in pieces of %d: %d, %v", size, piece, len(got), err)
			}
			for at := headerSize; at < len(file); at += int(c.stored()) {
				if nonce := string(file[at : at+c.nonceSize]); seen[nonce] {
					t.Fatal("a nonce is used twice")
				} else {
					seen[nonce] = true
				}
			}
			if bytes.Contains(file, []byte("stage")) {
				t.Error("there is plaintext")
			}
		}
	}
	got, err := decrypt(conf, written(t, c, plain, 300), password)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("by its configuration: %d bytes, %v", len(got), err)
	}
	w := c.NewWriter(io.Discard)
	if _, err := w.Finish(nil); err == nil {
		t.Error("an empty file")
	}
}

// fullDisk takes so many bytes.
type fullDisk int

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), int(*d))
	*d -= fullDisk(n)
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

var errFull = errors.New("no space left")

func TestWriteFails(t *testing.T) {
	c := cipherOf(t, "gcm")
	for _, room := range []fullDisk{0, 1000, 5000, 300000} {
		w := c.NewWriter(&room)
		_, err := w.Write(make([]byte, 80*4096))
		if err == nil {
			_, err = w.Finish(nil)
		}
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d: %v", room, err)
		}
	}
	if _, err := c.NewWriter(io.Discard).Finish(make([]byte, 5000)); err == nil {
		t.Error("a start of more than a block")
	}
}

// TestEveryByte changes each byte of the files: none of it goes unnoticed.
func TestEveryByte(t *testing.T) {
	for _, name := range []string{"gcm", "xchacha"} {
		c, file := cipherOf(t, name), read(t, name+".bin")
		for i := range file {
			file[i] ^= 0x10
			got, err := readAll(c, file)
			if !errors.Is(err, ErrDamaged) || hint.Of(err) == "" {
				t.Fatalf("%s: byte %d: %d bytes, %v", name, i, len(got), err)
			}
			if !bytes.HasPrefix(plain, got) {
				t.Fatalf("%s: byte %d: wrong bytes are read", name, i)
			}
			file[i] ^= 0x10
		}
	}
}

// TestEveryByteOfConfig changes each bit of a configuration: it is refused, or
// opens the very same key.
func TestEveryByteOfConfig(t *testing.T) {
	conf, file := read(t, "gcm.conf"), read(t, "gcm.bin")
	ignored := 0
	for i := range conf {
		for _, bit := range []byte{1, 0x20} {
			conf[i] ^= bit
			got, err := decrypt(conf, file, password)
			if err == nil && !bytes.Equal(got, plain) {
				t.Fatalf("byte %d: other bytes are read", i)
			}
			if err == nil {
				ignored++
			}
			conf[i] ^= bit
		}
	}
	// The creator's name, white space, and letters of names in either case.
	if ignored == 0 || ignored > 200 {
		t.Errorf("%d changes of %d bytes go unnoticed", ignored, len(conf))
	}
}

// TestShapes refuses files that were cut, and blocks in other places or of other
// files.
func TestShapes(t *testing.T) {
	c, file := cipherOf(t, "gcm"), read(t, "gcm.bin")
	for n := range len(file) {
		got, err := readAll(c, file[:n])
		whole := n > headerSize && (n-headerSize)%int(c.stored()) == 0
		if !whole && err == nil || whole && (err != nil || !bytes.HasPrefix(plain, got)) {
			t.Fatalf("cut to %d bytes: %d bytes, %v", n, len(got), err)
		}
	}
	block := func(b []byte, n int) []byte { return b[headerSize+n*4128:][:4128] }
	other := written(t, c, plain, 4096)
	for what, change := range map[string]func(b []byte){
		"swapped blocks":     func(b []byte) { copy(block(b, 0), block(file, 1)) },
		"a block of another": func(b []byte) { copy(block(b, 1), block(other, 1)) },
		"a hole":             func(b []byte) { clear(block(b, 1)) },
		"another header":     func(b []byte) { copy(b, other[:headerSize]) },
		"no header":          func(b []byte) { clear(b[:headerSize]) },
		"a newer format":     func(b []byte) { b[1] = 3 },
	} {
		b := bytes.Clone(file)
		change(b)
		if _, err := readAll(c, b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := bytes.Clone(file)
	clear(block(b, 1))
	if _, err := readAll(c, b); !strings.Contains(err.Error(), "block 1 at byte 4146: a hole") {
		t.Errorf("%v", err)
	}
	if _, err := readAll(cipherOf(t, "xchacha"), file); err == nil {
		t.Error("another cipher reads it")
	}
}

// TestCutWhileOpen reads a file that has become shorter, or cannot be read.
func TestCutWhileOpen(t *testing.T) {
	c, file := cipherOf(t, "gcm"), read(t, "gcm.bin")
	f, err := c.Open(bytes.NewReader(file[:6000]), int64(len(file)))
	must(t, err)
	if _, err := f.ReadAt(make([]byte, 10), 5000); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "ends at byte 6000") {
		t.Errorf("%v", err)
	}
	broken := readerAt(func(p []byte, off int64) (int, error) { return 0, os.ErrDeadlineExceeded })
	if _, err := c.Open(broken, int64(len(file))); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// TestConcurrent has many read at once, also the same blocks.
func TestConcurrent(t *testing.T) {
	c := cipherOf(t, "gcm")
	text := make([]byte, 600*4096+99)
	for i := range text {
		text[i] = byte(i >> 8)
	}
	file := written(t, c, text, 1<<16)
	f, err := c.Open(bytes.NewReader(file), int64(len(file)))
	must(t, err)
	var all sync.WaitGroup
	for seed := range uint64(8) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 300 {
				off := r.IntN(len(text))
				p := make([]byte, r.IntN(400000))
				n, err := f.ReadAt(p, int64(off))
				if !bytes.Equal(p[:n], text[off:min(off+len(p), len(text))]) || err != nil && err != io.EOF {
					t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	all.Wait()
}

// TestStored tells where the bytes of a plaintext lie.
func TestStored(t *testing.T) {
	c, file := cipherOf(t, "gcm"), read(t, "gcm.bin")
	f, err := c.Open(bytes.NewReader(file), int64(len(file)))
	must(t, err)
	for _, x := range [][4]int64{{0, 1, 18, 4128}, {4095, 2, 18, 8256}, {4096, 4096, 4146, 4128}, {9000, 0, 8274, 4128}} {
		if at, n := f.Stored(x[0], x[1]); at != x[2] || n != x[3] {
			t.Errorf("%d bytes at %d: %d at %d", x[1], x[0], n, at)
		}
	}
}

// config is the configuration in testdata with a change.
func config(t testing.TB, change func(*Config)) []byte {
	t.Helper()
	c := &Config{}
	must(t, json.Unmarshal(read(t, "gcm.conf"), c))
	change(c)
	b, err := json.Marshal(c)
	must(t, err)
	return b
}

func TestConfigRefused(t *testing.T) {
	for text, change := range map[string]func(*Config){
		"version 3":             func(c *Config) { c.Version = 3 },
		`feature "AESSIV"`:      func(c *Config) { c.FeatureFlags = append(c.FeatureFlags, "AESSIV") },
		`feature "\x1b[2J"`:     func(c *Config) { c.FeatureFlags = append(c.FeatureFlags, "\x1b[2J") },
		`["HKDF"]`:              func(c *Config) { c.FeatureFlags = c.FeatureFlags[:1] },
		"XChaCha20Poly1305":     func(c *Config) { c.FeatureFlags = append(c.FeatureFlags, "XChaCha20Poly1305") },
		`["GCMIV128"`:           func(c *Config) { c.FeatureFlags = c.FeatureFlags[1:] },
		"N=512":                 func(c *Config) { c.ScryptObject.N = 512 },
		"N=1025":                func(c *Config) { c.ScryptObject.N = 1025 },
		"N=4194304":             func(c *Config) { c.ScryptObject.N = 1 << 22 },
		"N=1152921504606846976": func(c *Config) { c.ScryptObject.N = 1 << 60 },
		"N=-1":                  func(c *Config) { c.ScryptObject.N = -1 },
		"r=7":                   func(c *Config) { c.ScryptObject.R = 7 },
		"r=4096":                func(c *Config) { c.ScryptObject.R = 4096 },
		"r=9223372036854775807": func(c *Config) { c.ScryptObject.R = 1<<63 - 1 },
		"p=0":                   func(c *Config) { c.ScryptObject.P = 0 },
		"p=17":                  func(c *Config) { c.ScryptObject.P = 17 },
		"16 bytes of 32":        func(c *Config) { c.ScryptObject.KeyLen = 16 },
		"of 31 of salt":         func(c *Config) { c.ScryptObject.Salt = c.ScryptObject.Salt[1:] },
		"of 2000 of salt":       func(c *Config) { c.ScryptObject.Salt = make([]byte, 2000) },
		"key of 63 bytes":       func(c *Config) { c.EncryptedKey = c.EncryptedKey[1:] },
		"the limit is":          func(c *Config) { c.Creator = strings.Repeat("x", MaxConfig) },
	} {
		if _, err := ParseConfig(config(t, change)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := ParseConfig(config(t, func(*Config) {})); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "{}", "null", "[]", `{"Version":2}`, `{"Version":"2"}`} {
		if _, err := ParseConfig([]byte(text)); err == nil {
			t.Errorf("%q is a configuration", text)
		}
	}
	_, err := ParseConfig(config(t, func(c *Config) { c.FeatureFlags = append(c.FeatureFlags, "FIDO2") }))
	if !strings.Contains(hint.Of(err), "build --encrypt") {
		t.Errorf("hint %q", hint.Of(err))
	}
}

// FuzzParseConfig: no text makes Unlock cost more than the bound, or panic.
func FuzzParseConfig(f *testing.F) {
	f.Add(read(f, "gcm.conf"))
	f.Add(read(f, "xchacha.conf"))
	f.Add(config(f, func(c *Config) { c.ScryptObject.N = 1 << 22 }))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		if s := c.ScryptObject; s.N < 0 || s.R < 0 || s.P < 0 || float64(s.N)*float64(s.R)*128 > maxScrypt || s.P > maxP {
			t.Fatalf("%+v", s)
		}
		if c.ScryptObject.N > 1<<12 {
			return // right, and slow
		}
		if cipher, err := c.Unlock([]byte(password)); err == nil {
			_, _ = readAll(cipher, text)
		} else if !errors.Is(err, ErrPassword) {
			t.Fatal(err)
		}
	})
}

// FuzzFile: no file is read as anything but what was written.
func FuzzFile(f *testing.F) {
	file := read(f, "gcm.bin")
	f.Add(file)
	f.Add(file[:5000])
	c := cipherOf(f, "gcm")
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(c, b)
		if err == nil && !bytes.HasPrefix(plain, got) {
			t.Fatalf("%d bytes of others", len(got))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	c := cipherOf(b, "gcm")
	file := written(b, c, make([]byte, 16<<20), 1<<20)
	f, err := c.Open(bytes.NewReader(file), int64(len(file)))
	must(b, err)
	p := make([]byte, 128<<10)
	b.SetBytes(int64(len(p)))
	for i := 0; b.Loop(); i++ {
		_, err := f.ReadAt(p, int64(i%120)*int64(len(p))+1234)
		must(b, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	w := cipherOf(b, "gcm").NewWriter(io.Discard)
	p := make([]byte, 128<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		_, err := w.Write(p)
		must(b, err)
	}
}

// TestCost: a passphrase is as costly to guess as gocryptfs makes it, what a program
// made at random is not.
func TestCost(t *testing.T) {
	for atRandom, n := range map[bool]int{false: 1 << 16, true: 1 << 10} {
		text, _, err := NewConfig([]byte(password), atRandom)
		must(t, err)
		c, err := ParseConfig(text)
		must(t, err)
		if s := c.ScryptObject; s.N != n || s.R != 8 || s.P != 1 || len(s.Salt) != 32 {
			t.Errorf("at random %v: %+v", atRandom, s)
		}
		_, err = c.Unlock([]byte(password))
		must(t, err)
	}
}
