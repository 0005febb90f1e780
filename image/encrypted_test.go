package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// keyOf returns a function for Options.Key.
func keyOf(k *crypt.Key, err error) func() (*crypt.Key, error) {
	return func() (*crypt.Key, error) { return k, err }
}

func noPassphrase() (string, error) { return "", errors.New("asked for a passphrase") }

// TestApptainer reads images that Apptainer encrypted.
func TestApptainer(t *testing.T) {
	pem, err := os.ReadFile("testdata/key.pem")
	must(t, err)
	for name, key := range map[string]func() (*crypt.Key, error){
		"pem": keyOf(crypt.ParsePEM(pem, noPassphrase)), "pass": keyOf(crypt.Passphrase("open sesame")),
	} {
		path := filepath.Join(t.TempDir(), name+".sif")
		packed, err := os.Open("testdata/apptainer-" + name + ".sif.gz")
		must(t, err)
		r, err := gzip.NewReader(packed)
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, errors.Join(err, packed.Close()))
		must(t, os.WriteFile(path, b, 0o600))

		f, err := Open(path, Options{Key: key})
		must(t, err)
		defer f.Close()
		got, err := ReadFile(f.FS(), "etc/marker", 100)
		if err != nil || string(got) != "marker of the plaintext\n" || !f.Encrypted() || f.Kind() != SIF {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		must(t, f.Prefetch())
		for what, key := range map[string]func() (*crypt.Key, error){"no function": nil, "no key": keyOf(nil, nil)} {
			_, err := Open(path, Options{Key: key})
			if err == nil || !strings.Contains(err.Error(), "it is encrypted, and no key is given") || !strings.Contains(hint.Of(err), "--pem-path FILE") {
				t.Errorf("%s, %s: %v, hint %q", name, what, err, hint.Of(err))
			}
		}
		broken := errors.New("broken key")
		if _, err := Open(path, Options{Key: keyOf(nil, broken)}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// encrypted writes an encrypted image whose plaintext has a profile.
func encrypted(t *testing.T, k *crypt.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.sif")
	out, err := os.Create(path)
	must(t, err)
	s, err := crypt.Seal(k)
	must(t, err)
	c := sif.Contents{Arch: "amd64", Time: time.Unix(1, 0), Encrypted: true, Message: s.Message()}
	must(t, sif.Create(out, c, func(w io.Writer) ([]byte, error) {
		return s.Write(w, func(w io.Writer) ([]byte, error) {
			return writer.Write(context.Background(), w, writer.Options{}, func(w *writer.Writer) (*tree.Node, error) {
				root := rootfs()
				return root, w.StoreFirst([]*tree.Node{root.Entries["etc"].Entries["passwd"]})
			})
		})
	}))
	must(t, out.Close())
	return path
}

// TestTampered opens an image that it wrote, and not when a block of it was
// changed.
func TestTampered(t *testing.T) {
	k, err := crypt.Passphrase("open sesame")
	must(t, err)
	path := encrypted(t, k)
	f, err := Open(path, Options{Key: keyOf(k, nil)})
	must(t, err)
	got, err := ReadFile(f.FS(), "etc/passwd", 100)
	if err != nil || string(got) != "image's own\n" {
		t.Errorf("%q, %v", got, err)
	}
	if hot, err := f.Squash().Hot(); err != nil || len(hot) != 2 {
		t.Errorf("%v, %v", hot, err)
	}
	must(t, f.Prefetch())
	part, err := f.SIF().Primary()
	must(t, err)
	must(t, f.Close())

	b, err := os.ReadFile(path)
	must(t, err)
	if bytes.Contains(b, []byte("image's own")) {
		t.Error("there is plaintext")
	}
	b[part.Offset+96+18+1000] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	_, err = Open(path, Options{Key: keyOf(k, nil)})
	if err == nil || !strings.Contains(err.Error(), "block 0 at byte 18: ") || !strings.Contains(hint.Of(err), "again") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestKeyIsNotAsked: no other image wants a key.
func TestKeyIsNotAsked(t *testing.T) {
	asked := func() (*crypt.Key, error) { return nil, errors.New("asked for a key") }
	for _, path := range []string{squashFile(t), sifFile(t)} {
		f, err := Open(path, Options{Key: asked})
		must(t, err)
		if f.Encrypted() {
			t.Errorf("%s is encrypted", path)
		}
		must(t, f.Close())
	}
}
