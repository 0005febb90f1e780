package sif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// squash is a partition as a SquashFS writer makes it: zeros first.
func squash(body string) func(io.Writer) ([]byte, error) {
	return func(w io.Writer) ([]byte, error) {
		if _, err := w.Write(make([]byte, superSize)); err != nil {
			return nil, err
		}
		_, err := io.WriteString(w, body)
		return []byte(fmt.Sprintf("%-96s", "hsqs super")), err
	}
}

func contents() Contents {
	return Contents{
		Arch:    "arm64",
		Deffile: []byte("Bootstrap: scratch\n"),
		JSON: []NamedObject{
			{"zeta.json", []byte(`"z"`)}, {"alpha.json", []byte(`"a"`)},
			{OCIConfig, []byte(`"o"`)}, {InspectMetadata, []byte(`"i"`)},
		},
		Time: time.Unix(1700000000, 0),
	}
}

func newFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sif"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestCreate(t *testing.T) {
	f := newFile(t)
	must(t, Create(f, contents(), squash("body")))
	b, err := os.ReadFile(f.Name())
	must(t, err)
	if !bytes.HasPrefix(b, []byte("#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x0001\x0004\x00")) {
		t.Errorf("the header is %q", b[:64])
	}

	img, err := Open(f, int64(len(b)))
	must(t, err)
	var got []string
	for _, o := range img.Objects() {
		got = append(got, fmt.Sprintf("%d %v %d %s", o.ID, o.Type, o.Group, o.Name))
	}
	want := "1 Def.FILE 1 |2 JSON.Generic 1 inspect-metadata.json|3 JSON.Generic 1 oci-config.json|" +
		"4 JSON.Generic 1 alpha.json|5 JSON.Generic 1 zeta.json|6 FS 1 "
	if g := strings.Join(got, "|"); g != want {
		t.Errorf("objects %s\nwant    %s", g, want)
	}
	p, err := img.Primary()
	must(t, err)
	if p.Offset%4096 != 0 || p.Offset+p.Size != int64(len(b)) || p.Arch != "arm64" {
		t.Errorf("partition %+v in %d bytes", p, len(b))
	}
	if part := string(b[p.Offset:]); part != fmt.Sprintf("%-96sbody", "hsqs super") {
		t.Errorf("partition holds %q", part)
	}
}

// The reference library reads what Create wrote, at the path and for writing.
func TestCreateForReferenceLibrary(t *testing.T) {
	f := newFile(t)
	must(t, Create(f, contents(), squash("body")))
	img, err := sif.LoadContainerFromPath(f.Name())
	must(t, err)
	d, err := img.GetDescriptor(sif.WithPartitionType(sif.PartPrimSys))
	must(t, err)
	fs, part, arch, err := d.PartitionMetadata()
	must(t, err)
	if fs != sif.FsSquash || part != sif.PartPrimSys || arch != "arm64" || img.PrimaryArch() != "arm64" {
		t.Errorf("partition %v %v %s, header %s", fs, part, arch, img.PrimaryArch())
	}
	if img.DescriptorsTotal() != 48 || img.DescriptorsFree() != 42 || img.DescriptorsOffset() != 4096 {
		t.Errorf("%d descriptors, %d free, at %d", img.DescriptorsTotal(), img.DescriptorsFree(), img.DescriptorsOffset())
	}
	if img.CreatedAt().Unix() != 1700000000 || d.CreatedAt().Unix() != 1700000000 {
		t.Errorf("created at %v, %v", img.CreatedAt(), d.CreatedAt())
	}
	in, err := sif.NewDescriptorInput(sif.DataGeneric, strings.NewReader("more"))
	must(t, err)
	must(t, img.AddObject(in))
	must(t, img.UnloadContainer())
	st, err := f.Stat()
	must(t, err)
	again, err := Open(f, st.Size())
	must(t, err)
	if n := len(again.Objects()); n != 7 {
		t.Errorf("%d objects after the library added one to 6", n)
	}
}

func TestCreateReproducible(t *testing.T) {
	c := contents()
	c.Reproducible = true
	var images [2][]byte
	for i := range images {
		f := newFile(t)
		must(t, Create(f, c, squash("body")))
		b, err := os.ReadFile(f.Name())
		must(t, err)
		images[i] = b
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of the same contents differ")
	}
	img, err := open(images[0])
	must(t, err)
	if img.ID() != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("id %s", img.ID())
	}
	f := newFile(t)
	must(t, Create(f, contents(), squash("body")))
	if img, err = Open(f, int64(len(images[0]))); err != nil || img.ID()[14] != '4' {
		t.Errorf("the id %s is not a random UUID (%v)", img.ID(), err)
	}
}

func TestCreateFails(t *testing.T) {
	before := runtime.NumGoroutine()
	cause := errors.New("no more layers")
	long := contents()
	long.JSON = []NamedObject{{strings.Repeat("n", 129), nil}}
	arch := contents()
	arch.Arch = "vax"
	for name, c := range map[string]struct {
		c         Contents
		partition func(io.Writer) ([]byte, error)
		text      string
	}{
		"partition": {contents(), func(w io.Writer) ([]byte, error) {
			_, _ = w.Write([]byte("half"))
			return nil, cause
		}, cause.Error()},
		"no superblock": {contents(), func(w io.Writer) ([]byte, error) {
			_, err := w.Write(make([]byte, 200))
			return nil, err
		}, "start of 0 bytes"},
		"too short": {contents(), func(w io.Writer) ([]byte, error) {
			_, err := w.Write(make([]byte, 95))
			return make([]byte, superSize), err
		}, "partition of 95"},
		"name":         {long, squash(""), "name value too large"},
		"architecture": {arch, squash(""), "vax"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Create(newFile(t), c.c, c.partition)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %q", err, c.text)
			}
			if name == "partition" && !errors.Is(err, cause) {
				t.Error("the cause is lost")
			}
		})
	}
	// The goroutines of the subtests themselves take a moment to end.
	for end := time.Now().Add(time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
	f := newFile(t)
	_, err := f.WriteString("something")
	must(t, err)
	if err := Create(f, contents(), squash("")); err == nil {
		t.Error("a file with contents is taken")
	}
	if err := Create(f, contents(), nil); err == nil {
		t.Error("a file with contents is taken")
	}
}

// A real file system inside is found by the kernel's own tools at the offset.
func TestUnsquashfsReadsPartition(t *testing.T) {
	mk, err := exec.LookPath("mksquashfs")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("mksquashfs is not installed")
	}
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/root", 0o755))
	must(t, os.WriteFile(dir+"/root/hello", []byte("world"), 0o644))
	if out, err := exec.Command(mk, dir+"/root", dir+"/fs", "-quiet", "-no-progress").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	image, err := os.ReadFile(dir + "/fs")
	must(t, err)
	f := newFile(t)
	must(t, Create(f, contents(), func(w io.Writer) ([]byte, error) {
		if _, err := w.Write(make([]byte, superSize)); err != nil {
			return nil, err
		}
		_, err := w.Write(image[superSize:])
		return image[:superSize], err
	}))
	st, err := f.Stat()
	must(t, err)
	img, err := Open(f, st.Size())
	must(t, err)
	p, err := img.Primary()
	must(t, err)
	out, err := exec.Command("unsquashfs", "-offset", fmt.Sprint(p.Offset), "-cat", f.Name(), "hello").CombinedOutput()
	if err != nil || string(out) != "world" {
		t.Errorf("unsquashfs: %v %q", err, out)
	}
}

func BenchmarkOpen(b *testing.B) {
	image := typical(b)
	for b.Loop() {
		if _, err := open(image); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCreateEncrypted writes what Apptainer's reader looks for: file system 6, and
// a message that is linked to it.
func TestCreateEncrypted(t *testing.T) {
	for _, message := range []string{"", "secret"} {
		f := newFile(t)
		c := contents()
		if c.Encrypted = true; message != "" {
			c.Message = []byte(message)
		}
		start := fmt.Sprintf("%-200s", "hsqs and more")
		must(t, Create(f, c, func(w io.Writer) ([]byte, error) {
			_, err := w.Write(append(make([]byte, len(start)), "body"...))
			return []byte(start), err
		}))
		b, err := os.ReadFile(f.Name())
		must(t, err)
		img, err := Open(f, int64(len(b)))
		must(t, err)
		p, err := img.Primary()
		must(t, err)
		if part := string(b[p.Offset:][:p.Size]); !p.Encrypted() || part != start+"body" {
			t.Errorf("partition %+v holds %q", p, part)
		}
		found, err := img.Messages(p, 100)
		must(t, err)
		if got := string(bytes.Join(found, nil)); got != message {
			t.Errorf("messages %q, want %q", found, message)
		}
		if message == "" {
			continue
		}
		if _, err := img.Messages(p, 3); err == nil {
			t.Error("a message is read beyond the limit")
		}
		ref, err := sif.LoadContainerFromPath(f.Name(), sif.OptLoadWithFlag(os.O_RDONLY))
		must(t, err)
		part, err := ref.GetDescriptor(sif.WithPartitionType(sif.PartPrimSys))
		must(t, err)
		d, err := ref.GetDescriptor(sif.WithLinkedID(part.ID()), sif.WithDataType(sif.DataCryptoMessage))
		must(t, err)
		format, kind, err := d.CryptoMessageMetadata()
		if err != nil || format != sif.FormatPEM || kind != sif.MessageRSAOAEP || d.GroupID() != part.GroupID() {
			t.Errorf("message %v %v in group %d, %v", format, kind, d.GroupID(), err)
		}
		must(t, ref.UnloadContainer())
	}
}
