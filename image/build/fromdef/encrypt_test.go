package fromdef

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/squashfs/codec"
)

// pair returns a private key and the public one of it.
func pair(t *testing.T) (private, public *crypt.Key) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(kind string, der []byte) *crypt.Key {
		k, err := crypt.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), nil)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	return parse("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), parse("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey))
}

func keyOf(k *crypt.Key) func() (*crypt.Key, error) {
	return func() (*crypt.Key, error) { return k, nil }
}

const marker = "the marker of the plaintext"

// holds looks for the marker in all files below a directory.
func holds(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(marker)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEncrypt builds with scripts for a public key alone, %test of the new image
// included, and then from that image. No layer of either gets into the cache.
func TestEncrypt(t *testing.T) {
	private, public := pair(t)
	c := newCached(t)
	tested := ""
	c.env.Run = func(_ context.Context, x build.Exec) error {
		if !x.Test {
			write(t, x.Upper+"/made", marker)
			return nil
		}
		f, err := image.Open(x.Base, image.Options{Key: x.Key})
		if err != nil {
			return err
		}
		defer f.Close()
		tested = read(t, f, "made")
		return nil
	}
	none, err := codec.Parse("none") // so that plaintext can be found
	if err != nil {
		t.Fatal(err)
	}
	o := build.Options{Output: "secret.sif", Seal: public, Codec: none}
	if err := c.build(t, fromArchive+"%post\n x\n%test\n x\n", o); err != nil || tested != marker {
		t.Fatalf("%v, tested %q", err, tested)
	}
	if found := append(holds(t, c.site.dir), holds(t, c.dir)...); len(found) > 0 {
		t.Errorf("the marker is in %q", found)
	}
	if _, err := image.Open(c.path("secret.sif"), image.Options{}); err == nil {
		t.Error("it opens without a key")
	}
	f, err := image.Open(c.path("secret.sif"), image.Options{Key: keyOf(private)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := read(t, f, "made"); got != marker || !f.Encrypted() {
		t.Errorf("it holds %q", got)
	}

	from := "Bootstrap: localimage\nFrom: secret.sif\n%post\n x\n"
	o = build.Options{Output: "plain.sif", Codec: none}
	err = c.build(t, from, o)
	if err == nil || !strings.Contains(err.Error(), "no key is given") || !strings.Contains(hint.Of(err), "SEALIFT_ENCRYPTION_PEM_PATH") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	c.env.Key = keyOf(private)
	entries := c.entries(t)
	if err := c.build(t, from, o); err != nil {
		t.Fatal(err)
	}
	if plain := c.open(t, "plain.sif"); read(t, plain, "made") != marker || plain.Encrypted() {
		t.Error("the image made of it is another one")
	}
	if now := c.entries(t); now != entries {
		t.Errorf("%d entries in the cache, before %d", now, entries)
	}
	if found := append(holds(t, c.site.dir), holds(t, c.dir)...); len(found) != 1 || found[0] != c.path("plain.sif") {
		t.Errorf("the marker is in %q", found)
	}
	// The same is kept of a build that has nothing to hide.
	if err := c.build(t, fromArchive+"%post\n x\n", build.Options{Output: "other.sif", Codec: none}); err != nil || c.entries(t) == entries {
		t.Errorf("%v, %d entries in the cache", err, c.entries(t))
	}
}

// entries counts the files of the cache.
func (c *cached) entries(t *testing.T) (n int) {
	t.Helper()
	found, err := filepath.Glob(c.dir + "/layer/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestEncryptRefused: what cannot be encrypted is refused before anything is done.
func TestEncryptRefused(t *testing.T) {
	_, public := pair(t)
	s := newSite(t)
	steps, err := Compute(parse(t, "x.def", fromArchive), s.env.Host, build.Options{Output: "out", Sandbox: true, Seal: public})
	if err == nil || !strings.Contains(err.Error(), "a directory cannot be encrypted") || !strings.Contains(hint.Of(err), "--encrypt") {
		t.Errorf("%v, %v", steps, err)
	}
	steps, err = Compute(parse(t, "x.def", fromArchive), s.env.Host, build.Options{Output: "out", Seal: public})
	if err != nil || !strings.Contains(steps[len(steps)-2].String(), "write the encrypted image") {
		t.Errorf("%v, %v", steps, err)
	}
}
