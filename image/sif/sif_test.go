package sif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
)

// object is an object for the reference library to write.
type object struct {
	kind sif.DataType
	data string
	opts []sif.DescriptorInputOpt
}

func partition(fs sif.FSType, part sif.PartType, arch string) object {
	return object{sif.DataPartition, "squash", []sif.DescriptorInputOpt{sif.OptPartitionMetadata(fs, part, arch)}}
}

// reference returns the file that the reference library makes of objects.
func reference(t testing.TB, objects ...object) []byte {
	t.Helper()
	var inputs []sif.DescriptorInput
	for _, o := range objects {
		in, err := sif.NewDescriptorInput(o.kind, strings.NewReader(o.data), o.opts...)
		must(t, err)
		inputs = append(inputs, in)
	}
	var buf sif.Buffer
	_, err := sif.CreateContainer(&buf, sif.OptCreateWithDescriptors(inputs...),
		sif.OptCreateWithID("b2659d4e-bd50-4ea5-bd17-eec5e54f918e"), sif.OptCreateWithTime(time.Unix(1000, 0)))
	must(t, err)
	return buf.Bytes()
}

func typical(t testing.TB) []byte {
	return reference(t,
		object{kind: sif.DataDeffile, data: "Bootstrap: scratch\n"},
		object{sif.DataGenericJSON, `{"a":1}`, []sif.DescriptorInputOpt{sif.OptObjectName(InspectMetadata)}},
		partition(sif.FsSquash, sif.PartPrimSys, "amd64"),
		object{sif.DataSignature, "sig", []sif.DescriptorInputOpt{sif.OptNoGroup(), sif.OptLinkedGroupID(1)}},
	)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(b []byte) (*Image, error) { return Open(bytes.NewReader(b), int64(len(b))) }

func TestOpen(t *testing.T) {
	img, err := open(typical(t))
	must(t, err)
	if img.ID() != "b2659d4e-bd50-4ea5-bd17-eec5e54f918e" || img.Arch() != "amd64" {
		t.Errorf("id %s, arch %s", img.ID(), img.Arch())
	}
	var got []string
	for _, o := range img.Objects() {
		b, err := img.Read(o, 100)
		must(t, err)
		got = append(got, fmt.Sprintf("%v group %d link %d %v %q %q at %d", o, o.Group, o.Link, o.LinksGroup, o.Name, b, o.Created))
	}
	want := []string{
		`object 1 (Def.FILE) group 1 link 0 false "" "Bootstrap: scratch\n" at 1000`,
		`object 2 (JSON.Generic) group 1 link 0 false "inspect-metadata.json" "{\"a\":1}" at 1000`,
		`object 3 (FS) group 1 link 0 false "" "squash" at 1000`,
		`object 4 (Signature) group 0 link 1 true "" "sig" at 1000`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("objects:\n%s\nwant:\n%s", g, w)
	}
	o, ok := img.Find(JSON, InspectMetadata)
	if _, err := img.Read(o, 3); !ok || err == nil || !strings.Contains(err.Error(), "limit is 3") {
		t.Errorf("found %v, read with a limit: %v", ok, err)
	}
	if _, ok := img.Find(JSON, "other"); ok {
		t.Error("an object is found that is not there")
	}
	p, err := img.Primary()
	must(t, err)
	if p.Offset%4096 != 0 || p.Size != 6 || p.FS != "squashfs" || p.Arch != "amd64" {
		t.Errorf("primary %+v", p)
	}
}

// The architecture is the partition's, not the header's.
func TestArchOfPartition(t *testing.T) {
	b := typical(t)
	copy(b[45:], "04\x00")
	img, err := open(b)
	must(t, err)
	if img.Arch() != "amd64" {
		t.Errorf("arch %s", img.Arch())
	}
}

func TestArchNames(t *testing.T) {
	for _, arch := range []string{
		"386", "amd64", "arm", "arm64", "ppc64", "ppc64le", "mips", "mipsle",
		"mips64", "mips64le", "s390x", "riscv64", "loong64",
	} {
		img, err := open(reference(t, partition(sif.FsSquash, sif.PartPrimSys, arch)))
		must(t, err)
		if img.Arch() != arch {
			t.Errorf("arch %s reads as %q", arch, img.Arch())
		}
	}
	for _, code := range []string{"00\x00", "14\x00", "99\x00", "0:\x00", "021", "\xff\xff\xff", "-1\x00"} {
		if got := archName([]byte(code)); got != "" {
			t.Errorf("archName(%q) = %q", code, got)
		}
	}
}

func TestPrimary(t *testing.T) {
	for name, c := range map[string]struct {
		objects      []object
		text, remedy string
	}{
		"empty":     {nil, "no primary system partition", "data only"},
		"data":      {[]object{partition(sif.FsSquash, sif.PartData, "amd64")}, "no primary system partition", "data only"},
		"ext3":      {[]object{partition(sif.FsExt3, sif.PartPrimSys, "amd64")}, "is ext3", "rebuild"},
		"raw":       {[]object{partition(sif.FsRaw, sif.PartPrimSys, "amd64")}, "is raw", ""},
		"encrypted": {[]object{partition(sif.FsEncryptedSquashfs, sif.PartPrimSys, "amd64")}, "dm-crypt", "build --encrypt"},
		"unknown":   {[]object{partition(77, sif.PartPrimSys, "amd64")}, "is unknown", ""},
		"OCI-SIF":   {[]object{{kind: sif.DataOCIRootIndex, data: "{}"}}, "OCI-SIF", "--oci"},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := open(reference(t, c.objects...))
			must(t, err)
			_, err = img.Primary()
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.remedy) {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
		})
	}
}

// mutation sets one field of a sound image.
type mutation struct {
	name   string
	offset int
	value  any
}

func (m mutation) apply(b []byte) []byte {
	b = bytes.Clone(b)
	if s, ok := m.value.(string); ok {
		copy(b[m.offset:], s)
		return b
	}
	if _, err := binary.Encode(b[m.offset:], binary.LittleEndian, m.value); err != nil {
		panic(err)
	}
	return b
}

const firstDescriptor, secondDescriptor = 4096, 4096 + descriptorSize

func TestHostile(t *testing.T) {
	b := typical(t)
	size := int64(len(b))
	for _, c := range []struct {
		mutation
		text string
	}{
		{mutation{"magic", 32, "SIF_MAGIK"}, "magic"},
		{mutation{"version", 42, "02"}, "version"},
		{mutation{"version bytes", 42, "01x"}, "version"},
		{mutation{"total -1", 88, int64(-1)}, "descriptors are not"},
		{mutation{"total huge", 88, int64(1 << 40)}, "descriptors are not"},
		{mutation{"total > file", 88, size/descriptorSize + 1}, "cannot have"},
		{mutation{"total 65537", 88, int64(65537)}, "descriptors are not"},
		{mutation{"total 49", 88, int64(49)}, "cannot have"},
		{mutation{"total 47", 88, int64(47)}, "cannot have"},
		{mutation{"free -1", 80, int64(-1)}, "free"},
		{mutation{"free 49", 80, int64(49)}, "free"},
		{mutation{"table at 0", 96, int64(0)}, "table cannot be at"},
		{mutation{"table in header", 96, int64(127)}, "table cannot be at"},
		{mutation{"table negative", 96, int64(-4096)}, "table cannot be at"},
		{mutation{"table overflow", 96, int64(math.MaxInt64)}, "table cannot be at"},
		{mutation{"table past end", 96, size - 10}, "truncated"},
		{mutation{"table size 0", 104, int64(0)}, "cannot have 0"},
		{mutation{"table size", 104, int64(1 << 32)}, "cannot have"},
		{mutation{"data in table", 112, int64(5000)}, "data section"},
		{mutation{"data negative", 112, int64(-1)}, "data section"},
		{mutation{"data overflow", 112, int64(math.MaxInt64)}, "data section"},
		{mutation{"data size negative", 120, int64(-1)}, "data section"},
		{mutation{"data size overflow", 120, int64(math.MaxInt64)}, "data section"},
		{mutation{"data size", 120, size}, "truncated"},
		{mutation{"used 255", firstDescriptor + 4, byte(255)}, "in-use is 255"},
		{mutation{"used 2", firstDescriptor + 4, byte(2)}, "in-use is 2"},
		{mutation{"id 0", firstDescriptor + 5, uint32(0)}, "id is 0"},
		{mutation{"same id", firstDescriptor + 5, uint32(2)}, "a second object"},
		{mutation{"object over header", firstDescriptor + 17, int64(0)}, "at byte 0"},
		{mutation{"object over table", firstDescriptor + 17, int64(4096)}, "at byte 4096"},
		{mutation{"object negative", firstDescriptor + 17, int64(-1)}, "at byte -1"},
		{mutation{"object past end", firstDescriptor + 17, size}, "truncated"},
		{mutation{"object overflow", firstDescriptor + 17, int64(math.MaxInt64)}, "cannot be"},
		{mutation{"size -1", firstDescriptor + 25, int64(-1)}, "cannot be -1 bytes"},
		{mutation{"size huge", firstDescriptor + 25, int64(1 << 42)}, "truncated"},
		{mutation{"size max", firstDescriptor + 25, int64(math.MaxInt64)}, "cannot be"},
		{mutation{"overlap", firstDescriptor + 25, int64(20)}, "overlap"},
		{mutation{"padding -1", firstDescriptor + 33, int64(-1)}, "padding"},
		{mutation{"padding huge", firstDescriptor + 33, int64(1 << 40)}, "padding"},
		{mutation{"two primaries", secondDescriptor, "\x04\x40\x00\x00"}, "2 primary"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := c.apply(b)
			if c.name == "two primaries" {
				copy(bad[secondDescriptor+201:], bad[secondDescriptor+descriptorSize+201:][:12])
			}
			_, err := open(bad)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %q", err, c.text)
			}
		})
	}
}

// The count of free descriptors may be an old one.
func TestOldCount(t *testing.T) {
	img, err := open(mutation{"free 0", 80, int64(0)}.apply(typical(t)))
	must(t, err)
	if n := len(img.Objects()); n != 4 {
		t.Errorf("%d objects", n)
	}
}

// Every field takes every silly value: the answer is an error or an image whose
// objects can be read, and which the reference library can load.
func TestEveryField(t *testing.T) {
	b := typical(t)
	size := int64(len(b))
	values := []int64{
		0, -1, 1, 127, 128, 4095, 4096, 1 << 31, 1 << 32, 1 << 40, math.MaxInt64, math.MinInt64, size - 1, size, size + 1,
	}
	var offsets []int
	for off := 0; off < HeaderSize; off++ {
		offsets = append(offsets, off)
	}
	for _, field := range []int{0, 4, 5, 9, 13, 17, 25, 33, 41, 49, 57, 65, 73, 201, 205, 209} {
		offsets = append(offsets, firstDescriptor+field, secondDescriptor+field)
	}
	for _, off := range offsets {
		for _, v := range values {
			checkOracle(t, mutation{offset: off, value: v}.apply(b))
		}
	}
}

func TestTruncated(t *testing.T) {
	b := typical(t)
	for n := range len(b) {
		img, err := open(b[:n])
		if err == nil {
			t.Fatalf("an image cut to %d of %d bytes opens: %v", n, len(b), img.Objects())
		}
		if !strings.Contains(hint.Of(err), "again") {
			t.Fatalf("cut to %d bytes: %v without hint", n, err)
		}
	}
}

// checkOracle opens b and reads what it says it holds.
func checkOracle(t *testing.T, b []byte) {
	t.Helper()
	img, err := open(b)
	if err != nil {
		return
	}
	total := int64(0)
	for _, o := range img.Objects() {
		data, err := img.Read(o, int64(len(b)))
		if err != nil || int64(len(data)) != o.Size {
			t.Fatalf("%v: %d bytes, %v", o, len(data), err)
		}
		total += o.Size
	}
	if total > int64(len(b)) {
		t.Fatalf("objects of %d bytes in a file of %d", total, len(b))
	}
	if p, err := img.Primary(); err == nil && p.Offset+p.Size > int64(len(b)) {
		t.Fatalf("partition %+v in a file of %d bytes", p, len(b))
	}
	f, err := sif.LoadContainer(sif.NewBuffer(b))
	if err != nil {
		t.Fatalf("the library refuses what Open accepts: %v", err)
	}
	ds, err := f.GetDescriptors()
	if err != nil || len(ds) != len(img.Objects()) {
		t.Fatalf("the library finds %d objects (%v), Open %d", len(ds), err, len(img.Objects()))
	}
}

// endless is a device: it never ends and never fails.
type endless struct{}

func (endless) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

type broken struct{ io.ReaderAt }

func (r broken) ReadAt(b []byte, off int64) (int, error) {
	if off >= 4096 {
		return 0, os.ErrDeadlineExceeded
	}
	return r.ReaderAt.ReadAt(b, off)
}

func TestOddSources(t *testing.T) {
	if _, err := Open(endless{}, math.MaxInt64); err == nil {
		t.Error("/dev/zero is an image")
	}
	if _, err := Open(bytes.NewReader(nil), 1<<40); err == nil {
		t.Error("an empty file that claims 1 TiB is an image")
	}
	b := typical(t)
	if _, err := Open(broken{bytes.NewReader(b)}, int64(len(b))); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a failing disk gives %v", err)
	}
	img, err := Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	img.r = bytes.NewReader(b[:5000]) // cut while open
	if _, err := img.Read(img.Objects()[2], 100); !errors.Is(err, io.EOF) {
		t.Errorf("a file cut while open gives %v", err)
	}
}

// FuzzOpen (F1): whatever the header and the descriptors say, what is taken is
// what the reference takes, and nothing lies outside the file.
func FuzzOpen(f *testing.F) {
	small := reference(f, partition(sif.FsSquash, sif.PartPrimSys, "arm64"))
	f.Add(small)
	f.Add(typical(f))
	f.Add(small[:HeaderSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { bounded.Do(t, func() { checkOracle(t, b) }) })
}
