package merkle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/payload"
)

// sign returns what a signature of the image's first group says.
func sign(t testing.TB, f *os.File) payload.Payload {
	t.Helper()
	img := open(t, f)
	m := payload.Payload{Version: 1}
	m.Header.Digest = payload.Digest(fmt.Sprintf("sha512:%x", sha512.Sum512(img.SignableHeader())))
	objects, first := img.Group(1)
	for _, o := range objects {
		h := sha256.New()
		_, err := io.Copy(h, img.Section(o))
		must(t, err)
		m.Objects = append(m.Objects, payload.Object{
			RelativeID: o.ID - first, Data: payload.Digest(fmt.Sprintf("sha256:%x", h.Sum(nil))),
			Descriptor: payload.Digest(fmt.Sprintf("sha384:%x", sha512.Sum384(o.SignableDescriptor(first)))),
		})
	}
	return m
}

func text(t testing.TB, m payload.Payload) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	must(t, err)
	return b
}

func TestSignedBy(t *testing.T) {
	f := created(t)
	tree, err := FromImage(open(t, f))
	must(t, err)
	must(t, tree.SignedBy(text(t, sign(t, f))))
}

// Where the header, the descriptors and the first object of an image begin.
const table, data = 4096, table + 48*585

// uncovered says that no signature covers a byte of the image, and that it has no effect.
func uncovered(i int64, objects []sif.Object) bool {
	in := (i - table) % 585
	switch {
	case i < 128: // architecture, times, numbers that are checked against each other
		return i >= 45 && i < 48 || i >= 64
	case i < table, i >= table+int64(len(objects))*585 && i < data: // unused
		return true
	case i < data: // group, offset, padding, time of change
		return in >= 9 && in < 13 || in >= 17 && in < 25 || in >= 33 && in < 41 || in >= 49 && in < 57
	}
	return !slices.ContainsFunc(objects, func(o sif.Object) bool { return i >= o.Offset && i < o.Offset+o.Size })
}

// A byte of the file that is changed is noticed by the fast check or by what is read
// through the tree, or it is uncovered and what is read is the same.
func TestEveryByteIsCovered(t *testing.T) {
	small := noise(3*DefaultLeafSize + 5)
	f := newFile(t)
	must(t, Create(context.Background(), f, contents(), func(w io.Writer) ([]byte, error) { return write(w, small) }))
	signed := text(t, sign(t, f))
	objects := open(t, f).Objects()
	original, err := os.ReadFile(f.Name())
	must(t, err)
	for i := int64(0); i < int64(len(original)); i++ {
		free := uncovered(i, objects)
		if part := objects[1]; i%43 != 0 && (free && i >= 128 || i > part.Offset && i < part.Offset+part.Size) {
			continue
		}
		_, err := f.WriteAt([]byte{original[i] ^ 0x11}, i)
		must(t, err)
		got, err := verifiedBytes(f, signed)
		if err == nil && !bytes.Equal(got, small) {
			t.Fatalf("byte %d changes what is read", i)
		}
		if err == nil && !free {
			t.Errorf("byte %d may be any", i)
		}
		_, err = f.WriteAt(original[i:i+1], i)
		must(t, err)
	}
}

// verifiedBytes reads the partition as a policy would have it.
func verifiedBytes(f *os.File, signed []byte) ([]byte, error) {
	img, err := opened(f)
	if err != nil {
		return nil, err
	}
	tree, err := FromImage(img)
	if err != nil {
		return nil, err
	}
	if err := tree.SignedBy(signed); err != nil {
		return nil, err
	}
	got := make([]byte, tree.Root.Size)
	_, err = tree.Reader().ReadAt(got, 0)
	return got, err
}

func TestSignedByOthers(t *testing.T) {
	f := created(t)
	tree, err := FromImage(open(t, f))
	must(t, err)
	for name, c := range map[string]struct {
		change func(m *payload.Payload)
		want   string
	}{
		"version":         {func(m *payload.Payload) { m.Version = 2 }, "version 2"},
		"header":          {func(m *payload.Payload) { m.Header.Digest = m.Objects[0].Data }, "header: the image is not what was signed"},
		"an object less":  {func(m *payload.Payload) { m.Objects = m.Objects[1:] }, "3 objects were, and the group has 4"},
		"an object more":  {func(m *payload.Payload) { last := m.Objects[3]; last.RelativeID++; m.Objects = append(m.Objects, last) }, "5 objects were"},
		"one twice":       {func(m *payload.Payload) { m.Objects[0] = m.Objects[1] }, "twice, or not in order"},
		"another object":  {func(m *payload.Payload) { m.Objects[3].RelativeID = 9 }, "was not"},
		"descriptor":      {func(m *payload.Payload) { m.Objects[1].Descriptor = m.Objects[0].Descriptor }, "2 (FS): descriptor: the image"},
		"root":            {func(m *payload.Payload) { m.Objects[2].Data = m.Objects[0].Data }, "object 3 (Generic/Raw): the image is"},
		"definition":      {func(m *payload.Payload) { m.Objects[0].Data = m.Objects[1].Data }, "object 1 (Def.FILE): the image is"},
		"weak digest":     {func(m *payload.Payload) { m.Header.Digest = "md5:00" }, `the hash "md5" is not taken`},
		"no digest":       {func(m *payload.Payload) { m.Header.Digest = "" }, `the hash "" is not taken`},
		"cut digest":      {func(m *payload.Payload) { m.Header.Digest = "sha256:00" }, "is no digest"},
		"no number":       {func(m *payload.Payload) { m.Header.Digest = "sha256:xy" }, "is no digest"},
		"vouched for (1)": {func(m *payload.Payload) { m.Objects[1].Data = m.Objects[0].Data }, ""},
		"vouched for (2)": {func(m *payload.Payload) { m.Objects[3].Data = m.Objects[0].Data }, ""},
	} {
		m := sign(t, f)
		c.change(&m)
		err := tree.SignedBy(text(t, m))
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if strings.Contains(c.want, "not what was signed") && !errors.Is(err, ErrAltered) {
			t.Errorf("%s: %v is not ErrAltered", name, err)
		}
	}
	good := string(text(t, sign(t, f)))
	for _, s := range []string{"", "{", good + "{}", strings.Replace(good, "{", `{"more":1,`, 1)} {
		if err := tree.SignedBy([]byte(s)); err == nil {
			t.Errorf("%q is what was signed", s)
		}
	}
}
