package keyring

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childVar has the test binary import keys instead of testing.
const childVar = "SEALIFT_TEST_IMPORT"

// stranger returns the packet of an EdDSA key (RFC 9580, 5.5.2) that nobody has.
func stranger(n int) packetBytes {
	body := []byte{4, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7, 0x40}
	point := make([]byte, 32)
	_, _ = rand.Read(point) // never fails
	return packetBytes{tagPublicKey, append(body, point...)}
}

// TestManyKeys: a keyring of 100,000 keys is read, searched and added to in seconds.
func TestManyKeys(t *testing.T) {
	const many = 100_000
	f := Public(filepath.Join(t.TempDir(), "keys"))
	first, last := newTestKey(t, "first"), newTestKey(t, "last")
	add(t, f, first)
	text, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range many {
		text = stranger(n).append(text)
	}
	if err := os.WriteFile(f.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if a, err := f.Add(t.Context(), last, first); err != nil || len(a.New) != 1 || len(a.Known) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	r := read(t, f)
	for range 1000 {
		if r.Find(last.Fingerprint()) == nil || r.Find(strings.Repeat("0", 40)) != nil {
			t.Fatal("a key is not found, or one that is not there")
		}
	}
	if n := len(r.Keys()); n != many+2 {
		t.Errorf("%d keys", n)
	}
	if len(Rings{r}.KeysById(last.primary.KeyId)) == 0 {
		t.Error("the library does not find a key")
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestImportChild is the process that TestKilled kills.
func TestImportChild(t *testing.T) {
	dir := os.Getenv(childVar)
	if dir == "" {
		t.Skip("run by TestKilled")
	}
	for n := 0; ; n++ {
		k := newTestKey(t, fmt.Sprint(n))
		if _, err := Public(dir).Add(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		fmt.Println("imported", k.Fingerprint())
	}
}

// TestKilled: whenever an import is killed, the keys that were imported before are there.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var known []string
	for n := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestImportChild$")
		cmd.Env = append(os.Environ(), childVar+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; i < 3 && lines.Scan(); i++ {
			if print, ok := strings.CutPrefix(lines.Text(), "imported "); ok {
				known = append(known, print)
			}
		}
		time.Sleep(time.Duration(n) * 300 * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if print, ok := strings.CutPrefix(lines.Text(), "imported "); ok && len(print) == 40 {
				known = append(known, print)
			}
		}
		_ = cmd.Wait() // it was killed
	}
	r := read(t, Public(dir))
	if p := r.Problems(); len(p) > 0 || len(known) < 20 {
		t.Errorf("%d were imported; %v", len(known), p)
	}
	for _, print := range known {
		if r.Find(print) == nil {
			t.Errorf("%s is lost", print)
		}
	}
	add(t, Public(dir), newTestKey(t, "after"))
}
