package sif

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// empty is an image without objects that can be changed.
func empty(t *testing.T) *os.File {
	f := newFile(t)
	must(t, CreateEmpty(f, time.Unix(1000, 0)))
	return f
}

// Objects of every type arrive with what is said of them, as the library reads it.
func TestAddObjects(t *testing.T) {
	f := empty(t)
	eight := 8
	var objects []NewObject
	for n := 1; ; n++ {
		kind, ok := TypeNumber(n)
		if !ok {
			break
		}
		objects = append(objects, NewObject{
			Type: kind, Name: fmt.Sprint("number ", n), Group: uint32(n % 3), Link: uint32(n - 1), Alignment: &eight,
			FileSystem: 1, Part: 2, Arch: 4, Hash: 2, Entity: strings.Repeat("0A", 20), SBOM: "spdx-yaml", Data: strings.NewReader(fmt.Sprint("data ", n)),
		})
	}
	must(t, AddObjects(t.Context(), f, time.Unix(2000, 0), nil, objects...))
	img, err := open(content(t, f))
	must(t, err)
	c, err := sif.LoadContainer(f, sif.OptLoadWithCloseOnUnload(false))
	must(t, err)
	all, err := c.GetDescriptors()
	must(t, err)
	var details []string
	for i, d := range all {
		o := img.Objects()[i]
		link, isGroup := d.LinkedID()
		if o.ID != d.ID() || o.Group != d.GroupID() || o.Group != uint32((i+1)%3) || link != o.Link || isGroup || o.Link != uint32(i) ||
			o.Name != d.Name() || o.Offset%8 != 0 || o.Created != 2000 || o.Type != d.DataType() {
			t.Errorf("object %+v", o)
		}
		b, err := img.Read(o, 100)
		must(t, err)
		if string(b) != fmt.Sprint("data ", i+1) {
			t.Errorf("%v holds %q", o, b)
		}
		for _, d := range o.Details() {
			details = append(details, d.Name+": "+d.Value)
		}
	}
	want := "Filesystem Type: Squashfs\nPartition Type: *System\nArchitecture: arm64\n" +
		"Hash Type: SHA-384\nEntity: " + strings.Repeat("0A", 20) + "\nFormat Type: Unknown\nMessage Type: Unknown\nFormat: spdx-yaml\n" +
		"Digest: sha256:5069c63aa82aebed76fe0beba795f0f528aad031244ac3987c6201a72ce5fa75\nDigest: sha256:feffd9c5a2fbfb969cf20a34835cca65f0f09587f99bb37c80e9bf8770c1ef5e"
	got := strings.Join(details, "\n")
	if got != want || len(all) != 11 {
		t.Errorf("details:\n%s", got)
	}
	for i, name := range SBOMFormats() {
		if got := (sif.SBOMFormatCycloneDXJSON + sif.SBOMFormat(i)).String(); got != name {
			t.Errorf("format %s is called %s", got, name)
		}
	}
}

// withExtra is an object of which the descriptor says something of its type.
func withExtra(kind Type, extra ...byte) Object {
	o := Object{Type: kind}
	copy(o.raw[extraOffset:], extra)
	return o
}

// Details of what nobody knows are said to be unknown.
func TestDetailsUnknown(t *testing.T) {
	for _, kind := range []Type{FileSystem, Signature, sif.DataCryptoMessage, SBOM} {
		for _, d := range withExtra(kind, 99, 99, 99, 99).Details() {
			if !strings.EqualFold(d.Value, "unknown") {
				t.Errorf("%v: %v", kind, d)
			}
		}
	}
	if d := withExtra(FileSystem, 6).Details(); d[0].Value != "Gocryptfs squashfs" {
		t.Errorf("%v", d)
	}
	if d := withExtra(Signature, 1).Details(); len(d) != 1 || d[0].Value != "SHA-256" {
		t.Errorf("%v", d)
	}
}

func TestAddObjectsRefuses(t *testing.T) {
	for text, o := range map[string]NewObject{
		"its file system":   {Type: FileSystem, FileSystem: 1, Part: 2},
		"its architecture":  {Type: FileSystem, FileSystem: 1, Part: 2, Arch: 99},
		"its kind":          {Type: FileSystem, FileSystem: 9, Part: 2, Arch: 1},
		"its hash":          {Type: Signature, Hash: 1, Entity: "abc"},
		"the fingerprint":   {Type: Signature, Hash: 9, Entity: strings.Repeat("0A", 20)},
		"no format of SBOM": {Type: SBOM, SBOM: "text"},
		"too large":         {Type: JSON, Name: strings.Repeat("x", 129)},
	} {
		f := empty(t)
		b := content(t, f)
		o.Data = strings.NewReader("data")
		err := AddObjects(t.Context(), f, time.Now(), nil, o)
		if err == nil || !strings.Contains(err.Error(), text) || hint.Of(err) == "" && text != "too large" {
			t.Errorf("error %v, want %s", err, text)
		}
		if !bytes.Equal(content(t, f), b) {
			t.Errorf("%s: the file has changed", text)
		}
	}
	f, no := file(t, typical(t)), errors.New("no")
	if err := AddObjects(t.Context(), f, time.Now(), func(*Image) error { return no }); !errors.Is(err, no) {
		t.Errorf("what is not allowed: %v", err)
	}
	second := NewObject{Type: FileSystem, FileSystem: 1, Part: 2, Arch: 2, Data: strings.NewReader("x")}
	if err := AddObjects(t.Context(), f, time.Now(), nil, second); err == nil || !strings.Contains(err.Error(), "primary partition") {
		t.Errorf("a second primary partition: %v", err)
	}
}

// A file that is not known yet keeps the lock that its maker has.
func TestExtend(t *testing.T) {
	f := empty(t)
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	must(t, Extend(t.Context(), f, time.Unix(2000, 0), NewObject{Type: JSON, Group: 1, Data: strings.NewReader("{}")}))
	img, err := open(content(t, f))
	must(t, err)
	if o, err := img.Lookup(1); err != nil || o.Type != JSON || o.Created != 2000 {
		t.Errorf("%+v (%v)", o, err)
	}
	other, err := os.Open(f.Name())
	must(t, err)
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("the lock is gone: %v", err)
	}
}

func TestSetPrimary(t *testing.T) {
	f := file(t, reference(t, partition(sif.FsSquash, sif.PartSystem, "arm64"), partition(sif.FsSquash, sif.PartPrimSys, "amd64"),
		partition(sif.FsSquash, sif.PartData, "amd64"), object{kind: sif.DataGeneric, data: "x"}))
	b := content(t, f)
	for id, text := range map[uint32]string{3: "no system partition", 4: "no system partition", 9: "no object"} {
		if err := SetPrimary(f, id, time.Unix(2000, 0)); err == nil || !strings.Contains(err.Error(), text) || hint.Of(err) == "" {
			t.Errorf("%d: %v", id, err)
		}
	}
	must(t, SetPrimary(f, 2, time.Unix(2000, 0)))
	if !bytes.Equal(content(t, f), b) {
		t.Error("the file has changed")
	}
	must(t, SetPrimary(f, 1, time.Unix(2000, 0)))
	img, err := open(content(t, f))
	must(t, err)
	if o, _ := img.PrimaryObject(); o.ID != 1 || img.Arch() != "arm64" || img.Header().Arch != "arm64" || img.Header().Modified != 2000 {
		t.Errorf("%v for %s, header %+v", o, img.Arch(), img.Header())
	}
}

func TestHeader(t *testing.T) {
	img, err := open(typical(t))
	must(t, err)
	want := Header{
		Version: "01", Arch: "amd64", ID: "b2659d4e-bd50-4ea5-bd17-eec5e54f918e", Created: 1000, Modified: 1000, Free: 44, Total: 48,
		TableOffset: 4096, TableSize: 28080, DataOffset: 32176, DataSize: img.dataEnd() - 32176,
	}
	if got := img.Header(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
