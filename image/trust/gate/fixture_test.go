package gate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	encoding "encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keys are those of three people, which are slow to make.
var keys = sync.OnceValues(func() (list []*keyring.Key, err error) {
	for _, name := range []string{"Ada", "Bob", "Eve"} {
		k, err := keyring.New(keyring.User{Name: name, Email: name + "@example.org"}, 2048, nil, time.Now())
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
})

func people(t testing.TB) (ada, bob, eve *keyring.Key) {
	t.Helper()
	list, err := keys()
	must(t, err)
	return list[0], list[1], list[2]
}

// body is the partition of test images. Its own bytes are not read here.
var body = bytes.Repeat([]byte("the file system\n"), 40<<10)

func partition(w io.Writer) ([]byte, error) {
	_, err := w.Write(append(make([]byte, 96), body[96:]...))
	return body[:96], err
}

// newImage makes an image in a directory of its own, with a hash tree or without.
func newImage(t testing.TB, tree bool) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "image.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	c := sif.Contents{Arch: "amd64", Deffile: []byte("Bootstrap: scratch\n"), Time: time.Unix(1700000000, 0)}
	if tree {
		must(t, merkle.Create(t.Context(), f, c, partition))
	} else {
		must(t, sif.Create(f, c, partition))
	}
	return f
}

// sign signs an image by some people.
func sign(t testing.TB, f *os.File, by ...*keyring.Key) {
	t.Helper()
	for _, k := range by {
		must(t, trust.Sign(t.Context(), f, trust.SignOptions{Key: k, Now: time.Now()}))
	}
}

// signPlain signs an image by a new key of the other kind, and returns that.
func signPlain(t testing.TB, f *os.File, times int) *pem.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	k, err := pem.ParsePrivate(encoding.EncodeToMemory(&encoding.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	must(t, err)
	for range times {
		must(t, trust.Sign(t.Context(), f, trust.SignOptions{Plain: k, Now: time.Now()}))
	}
	der, err = x509.MarshalPKIXPublicKey(public)
	must(t, err)
	known, err := pem.ParsePublic("x", encoding.EncodeToMemory(&encoding.Block{Type: "PUBLIC KEY", Bytes: der}))
	must(t, err)
	return known
}

// rules returns the Gate of the texts of a trust.toml each, who knows some people.
func rules(t testing.TB, known []*keyring.Key, texts ...string) *Gate {
	t.Helper()
	var files []*policy.File
	for i, text := range texts {
		f, err := policy.Parse([]string{"site.toml", "user.toml"}[i], []byte(text))
		must(t, err)
		files = append(files, f)
	}
	dir := keyring.Public(filepath.Join(t.TempDir(), "keys"))
	if len(known) > 0 {
		_, err := dir.Add(t.Context(), known...)
		must(t, err)
	}
	return &Gate{
		Policy: policy.New(files...), Plain: map[policy.Signer]*pem.PublicKey{}, Now: time.Now(),
		Keys:   func() (keyring.Rings, error) { r, err := dir.Read(); return keyring.Rings{r}, err },
		Locate: func(f *os.File) (string, error) { return f.Name(), nil },
	}
}

// progress is how much of what is read.
type progress struct {
	expected, read int64
	stops          int
}

func (p *progress) start(size int64) Progress { p.expected += size; return p }
func (p *progress) Add(n int64)               { p.read += n }
func (p *progress) Stop()                     { p.stops++ }

// verify is the rule that all images are signed.
const verify = "[default]\naction = \"verify\"\ntree = true\n"

// load opens an image again, as one would who uses it.
func load(t testing.TB, f *os.File) *sif.Image {
	t.Helper()
	st, err := f.Stat()
	must(t, err)
	img, err := sif.Open(f, st.Size())
	must(t, err)
	return img
}

// hold asks the Gate about an image.
func hold(t testing.TB, g *Gate, f *os.File) (*merkle.Reader, error) {
	t.Helper()
	return g.Hold(t.Context(), "")(f, load(t, f))
}

// allowed wants that an image may be used, and is what it was.
func allowed(t testing.TB, g *Gate, f *os.File) {
	t.Helper()
	r, err := hold(t, g, f)
	if err != nil {
		t.Error(err)
		return
	}
	got := make([]byte, len(body))
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the partition is read otherwise than it was written: %v", err)
	}
}

// refused wants that rules refuse an image for a reason, and that there is a remedy.
func refused(t testing.TB, g *Gate, f *os.File, want string) {
	t.Helper()
	r, err := hold(t, g, f)
	wantRefusal(t, r, err, want)
}

func wantRefusal(t testing.TB, r *merkle.Reader, err error, want string) {
	t.Helper()
	wantError(t, err, want)
	if _, ok := errors.AsType[*policy.Refusal](err); !ok || r != nil || hint.Of(err) == "" {
		t.Errorf("%v (hint %q), and a reader: %v", err, hint.Of(err), r != nil)
	}
}

var _ image.Gate = (*Gate)(nil)

// both runs a test with an image that has a hash tree and one that has none.
func both(t *testing.T, test func(t *testing.T, tree bool)) {
	t.Run("tree", func(t *testing.T) { test(t, true) })
	t.Run("none", func(t *testing.T) { test(t, false) })
}

// overwrite changes a byte of a file in place.
func overwrite(t testing.TB, f *os.File, at int64) {
	t.Helper()
	b := make([]byte, 1)
	_, err := f.ReadAt(b, at)
	must(t, err)
	_, err = f.WriteAt([]byte{b[0] ^ 1}, at)
	must(t, err)
}

func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
