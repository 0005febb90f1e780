package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/policy"
)

// wantMismatch wants that a byte of the partition cannot be read.
func wantMismatch(t testing.TB, r *merkle.Reader, at int64) {
	t.Helper()
	_, err := r.ReadAt(make([]byte, 1), at)
	if _, ok := errors.AsType[*merkle.Mismatch](err); !ok {
		t.Errorf("reading byte %d: %v", at, err)
	}
}

// Whatever of an image was changed after it was signed, it is refused, or what was
// changed cannot be read.
func TestTampered(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		sign(t, f, ada)
		img := load(t, f)
		for _, o := range img.Objects() {
			if o.Type == sif.Signature {
				continue
			}
			at := o.Offset + o.Size - 1
			overwrite(t, f, at)
			r, err := hold(t, g, f)
			switch {
			case tree && o.ID == 2 || o.Name == merkle.TreeName:
				must(t, err)
				wantMismatch(t, r, int64(len(body))-1)
			case tree && o.Name == merkle.RootName, o.ID < 3:
				wantRefusal(t, r, err, "0 of the 1 known signers")
			default:
				t.Errorf("%v is not expected", o)
			}
			overwrite(t, f, at)
			allowed(t, g, f)
		}
	})
}

// The file that was opened is what counts, not what has its name by then.
func TestRenamed(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	both(t, func(t *testing.T, tree bool) {
		f, evil := newImage(t, tree), newImage(t, tree)
		sign(t, f, ada)
		overwrite(t, evil, load(t, evil).Objects()[1].Offset+1000)
		img := load(t, f)
		must(t, os.Rename(evil.Name(), f.Name()))
		r, err := g.Hold(t.Context(), "")(f, img)
		must(t, err)
		got := make([]byte, len(body))
		if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, body) {
			t.Errorf("what is read is not what was opened: %v", err)
		}
		path, err := os.Open(f.Name())
		must(t, err)
		defer path.Close()
		refused(t, g, path, "it is not signed")
	})
}

// What is written to the file after the decision is not read.
func TestOverwrittenAfter(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		sign(t, f, ada)
		img := load(t, f)
		r, err := hold(t, g, f)
		must(t, err)
		at := int64(300 << 10) // in a block that is in nobody's memory
		overwrite(t, f, img.Objects()[1].Offset+at)
		wantMismatch(t, r, at)
		overwrite(t, f, img.Objects()[1].Offset+at)
		must(t, f.Truncate(img.Objects()[1].Offset+at))
		wantMismatch(t, r, at)
	})
}

// A file that is another at the second read is refused if the other one was signed; else
// what was signed is read, or nothing.
func TestSecondRead(t *testing.T) {
	ada, _, _ := people(t)
	for _, first := range []string{"signed", "other"} {
		t.Run(first, func(t *testing.T) {
			f := newImage(t, false)
			sign(t, f, ada)
			part := load(t, f).Objects()[1]
			at := part.Offset + 400<<10
			if first == "other" {
				overwrite(t, f, at)
			}
			g := rules(t, []*keyring.Key{ada}, verify)
			usual := g.Keys
			g.Keys = func() (keyring.Rings, error) { // between the first read and the second
				overwrite(t, f, at)
				return usual()
			}
			if first == "other" {
				refused(t, g, f, "0 of the 1 known signers")
				return
			}
			r, err := hold(t, g, f)
			must(t, err)
			got := make([]byte, 400<<10)
			if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, body[:len(got)]) {
				t.Errorf("the partition is read otherwise than it was written: %v", err)
			}
			wantMismatch(t, r, 400<<10)
		})
	}
	t.Run("moved", func(t *testing.T) { // since the objects were read
		for _, legacy := range []bool{false, true} {
			f, k := corpus(t, "one-group-signed-pgp")
			g := ecl(t, k, legacy)
			part, err := load(t, f).Primary()
			must(t, err)
			was := make([]byte, part.Size)
			_, err = f.ReadAt(was, part.Offset)
			must(t, err)
			g.Whole = func(int64) Progress {
				_, err := f.WriteAt([]byte{1}, 4096+585+17) // the partition's offset
				must(t, err)
				return untold{}
			}
			r, err := hold(t, g, f)
			if legacy {
				if err == nil {
					t.Error("an image whose partition has moved is used")
				}
				continue
			}
			must(t, err)
			got := make([]byte, part.Size)
			if _, err := r.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, was) {
				t.Errorf("what was signed is not read: %v", err)
			}
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		f := newImage(t, false)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		_, err := rules(t, nil, verify).Hold(ctx, "")(f, load(t, f))
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// corpus copies one of the library's own images, and returns the key it is signed by.
func corpus(t *testing.T, name string) (*os.File, *keyring.Key) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sylabs/sif/v2").Output()
	must(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "test")
	text, err := os.ReadFile(filepath.Join(dir, "keys/private.asc"))
	must(t, err)
	keys, problems := keyring.Parse(text)
	must(t, errors.Join(problems...))
	b, err := os.ReadFile(filepath.Join(dir, "images", name+".sif"))
	must(t, err)
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "image.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	_, err = f.Write(b)
	must(t, err)
	return f, keys[0]
}

// ecl is rules that accept old signatures or do not.
func ecl(t *testing.T, k *keyring.Key, legacy bool) *Gate {
	t.Helper()
	f, err := policy.ParseECL("ecl.toml", fmt.Appendf(nil,
		"activated = true\nlegacyinsecure = %t\n[[execgroup]]\nmode = \"whitelist\"\nkeyfp = [%q]\n", legacy, k.Fingerprint()))
	must(t, err)
	g := rules(t, []*keyring.Key{k}, "")
	g.Policy = policy.New(f)
	return g
}

func TestLegacy(t *testing.T) {
	for _, name := range []string{"one-group-signed-legacy", "one-group-signed-legacy-all", "one-group-signed-legacy-group", "one-group-signed-pgp"} {
		t.Run(name, func(t *testing.T) {
			f, k := corpus(t, name)
			old := strings.Contains(name, "legacy")
			for _, legacy := range []bool{false, true} {
				r, err := hold(t, ecl(t, k, legacy), f)
				if old && !legacy {
					wantRefusal(t, r, err, "0 of the 1")
				} else if err != nil || r == nil {
					t.Errorf("legacyinsecure = %t: %v", legacy, err)
				}
			}
			part, err := load(t, f).Primary()
			must(t, err)
			overwrite(t, f, part.Offset+part.Size-1)
			refused(t, ecl(t, k, true), f, "0 of the 1")
		})
	}
}

// An old signature says nothing of a tree, which is not used then: what was signed
// is used, whatever the tree in the image is of.
func TestLegacyWithTree(t *testing.T) {
	f, k := corpus(t, "one-group-signed-legacy")
	img := load(t, f)
	part, err := img.Primary()
	must(t, err)
	o, _ := img.Object(part.ID)
	data, err := img.Read(o, 1<<20)
	must(t, err)
	add := func(f *os.File, data []byte) {
		root, tree, err := merkle.Build(t.Context(), bytes.NewReader(data), int64(len(data)), 1)
		must(t, err)
		object := func(name string, b []byte) sif.NewObject {
			return sif.NewObject{Type: sif.Generic, Name: name, Group: o.Group, Link: o.ID, Data: bytes.NewReader(b)}
		}
		must(t, sif.Extend(t.Context(), f, time.Unix(1700000000, 0), object(merkle.RootName, root.Bytes()), object(merkle.TreeName, tree)))
	}
	good, _ := corpus(t, "one-group-signed-legacy")
	add(good, data)
	if r, err := hold(t, ecl(t, k, true), good); err != nil || r == nil {
		t.Errorf("with its own tree: %v", err)
	}
	evil := bytes.Clone(data)
	evil[len(evil)-1] ^= 1
	add(f, evil)
	r, err := hold(t, ecl(t, k, true), f)
	must(t, err)
	overwrite(t, f, part.Offset+part.Size-1)
	if _, err := r.ReadAt(make([]byte, part.Size), 0); err == nil {
		t.Error("other data than what was signed is read")
	}
}

// Others than Sealift sign whatever tree there is: unless the rule says that the
// signers do not, what was signed is used and not what the tree is of.
func TestForeignTree(t *testing.T) {
	ada, _, _ := people(t)
	f := newImage(t, false)
	part, err := load(t, f).Primary()
	must(t, err)
	o, _ := load(t, f).Object(part.ID)
	evil := bytes.ToUpper(body)
	root, tree, err := merkle.Build(t.Context(), bytes.NewReader(evil), int64(len(evil)), 1)
	must(t, err)
	object := func(name string, b []byte) sif.NewObject {
		return sif.NewObject{Type: sif.Generic, Name: name, Group: o.Group, Link: o.ID, Data: bytes.NewReader(b)}
	}
	must(t, sif.Extend(t.Context(), f, time.Unix(1700000000, 0), object(merkle.RootName, root.Bytes()), object(merkle.TreeName, tree)))
	sign(t, f, ada)
	g := rules(t, []*keyring.Key{ada}, strings.ReplaceAll(verify, "tree = true\n", ""))
	r, err := hold(t, g, f)
	must(t, err)
	got := make([]byte, part.Size)
	if _, err := r.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, body) {
		t.Errorf("what was signed is not read: %v", err)
	}
	_, err = f.WriteAt(evil, part.Offset)
	must(t, err)
	if _, err := r.ReadAt(got, 0); err == nil {
		t.Error("what the tree is of is read")
	}
	refused(t, g, f, "0 of the 1")
}
