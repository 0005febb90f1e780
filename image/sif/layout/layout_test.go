package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/image/sif"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// typical is an image as Sealift writes it: a definition, a SquashFS partition, and
// an object that has another one before it.
func typical(t testing.TB) []byte {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sif"))
	must(t, err)
	c := sif.Contents{Arch: "amd64", Deffile: []byte("Bootstrap: scratch\n"), Time: time.Unix(1000, 0)}
	must(t, sif.Create(f, c, func(w io.Writer) ([]byte, error) {
		super := make([]byte, 96)
		copy(super, "hsqs")
		binary.LittleEndian.PutUint64(super[40:], 4000)
		_, err := w.Write(make([]byte, 4096))
		return super, err
	}))
	must(t, sif.AddObjects(t.Context(), f, time.Unix(1000, 0), nil,
		sif.NewObject{Type: sif.JSON, Group: 1, Link: 2, Data: strings.NewReader("{}")}))
	b, err := os.ReadFile(f.Name())
	must(t, err)
	must(t, f.Close())
	return b
}

func checked(t testing.TB, b []byte) *Report {
	t.Helper()
	r, err := Check(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	return r
}

func TestSound(t *testing.T) {
	r := checked(t, typical(t))
	if len(r.Findings) != 0 || r.Objects != 3 || r.Free != 45 || r.Err() != nil {
		t.Errorf("%+v", r)
	}
}

// Where the fields of a descriptor are.
func slot(n int) int { return 4096 + n*descriptorSize }

func TestFindings(t *testing.T) {
	le := binary.LittleEndian
	put64 := func(off int, v int64) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint64(b[off:], uint64(v)); return b }
	}
	put32 := func(off int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[off:], v); return b }
	}
	text := func(off int, s string) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[off:], s); return b }
	}
	for _, c := range []struct {
		change func([]byte) []byte
		want   string
	}{
		{func(b []byte) []byte { return b[:100] }, "error header: the file has 100 bytes"},
		{text(0, "#!/bin/sh\n"), "warning header: the first line is"},
		{text(32, "sif"), "error header: the magic is"},
		{text(42, "02"), `error header: the version is "02"`},
		{text(45, "77"), `warning header: the architecture is "77"`},
		{text(45, "04"), "warning header: the architecture is arm64, that of object 2 is amd64"},
		{put64(80, 7), "warning header: 45 descriptors are free, not 7"},
		{put64(80, 49), "error header: 49 of 48 descriptors cannot be free"},
		{put64(88, -1), "error header: -1 descriptors"},
		{put64(88, 1<<40), "error header: 1099511627776 descriptors"},
		{put64(96, 64), "error header: the table cannot be at byte 64"},
		{put64(96, math.MaxInt64), "error header: the table cannot be at byte"},
		{put64(96, 1<<30), "error header: the table ends at byte"},
		{put64(104, 1), "error header: a table of 48 descriptors has 28080 bytes, not 1"},
		{put64(112, 100), "error header: the data begins at byte 100, in the table"},
		{put64(112, math.MaxInt64), "error header: the data cannot be"},
		{put64(120, 1<<40), "error header: the data ends at byte"},
		{put64(120, 1), "warning header: the last object ends at byte"},
		{func(b []byte) []byte { b[slot(0)+4] = 9; return b }, "error descriptor 0: its flag in-use is 9"},
		{func(b []byte) []byte { b[slot(9)+100] = 1; return b }, "warning descriptor 9: it is not in use, but not empty"},
		{put32(slot(0), 7), "warning descriptor 0 (object 1): its type 0x7 is unknown"},
		{put32(slot(0)+5, 0), "error descriptor 0: its id is 0"},
		{put32(slot(0)+5, 2), "error object 2: another object has its id"},
		{put32(slot(0)+9, 1), "warning descriptor 0 (object 1): its group 0x1 lacks"},
		{put32(slot(0)+13, 0x30000001), "warning descriptor 0 (object 1): its link 0x30000001 is neither"},
		{put32(slot(0)+13, 8), "warning object 1: it is linked to object 8, which does not exist"},
		{put32(slot(0)+13, 1), "warning object 1: it is linked to itself"},
		{put32(slot(0)+13, groupMask|8), "warning object 1: it is linked to group 8, which has no object"},
		{put32(slot(0), signature), "warning object 1: the signature is linked to nothing"},
		{put64(slot(0)+17, -1), "error descriptor 0 (object 1): it cannot be"},
		{put64(slot(0)+25, -1), "error descriptor 0 (object 1): it cannot be"},
		{put64(slot(0)+17, 4096), "error descriptor 0 (object 1): it begins at byte 4096, before the end of the table"},
		{put64(slot(0)+25, 1<<42), "error descriptor 0 (object 1): it ends at byte"},
		{put64(slot(0)+25, 1000), "error object 2: it overlaps with object 1"},
		{put64(slot(0)+33, -1), "error descriptor 0 (object 1): it cannot be -1 bytes with padding"},
		{put64(slot(0)+33, 1), "warning descriptor 0 (object 1): it has 19 bytes, but 1 with padding"},
		{text(slot(0)+73, "a\x00b"), `warning descriptor 0 (object 1): there are bytes behind the end of its name "a"`},
		{put32(slot(1)+201, 9), "warning descriptor 1 (object 2): its file system 9 is unknown"},
		{put32(slot(1)+205, 9), "warning descriptor 1 (object 2): its kind of partition 9 is unknown"},
		{put32(slot(1)+205, 1), "warning header: the architecture is amd64, but there is no primary system partition"},
		{text(slot(1)+209, "99"), `warning descriptor 1 (object 2): its architecture "99" is unknown`},
		{put64(slot(1)+17, 32769), "warning descriptor 1 (object 2): it begins at byte 32769, which is not at a page"},
		{put64(slot(1)+25, 50), "error descriptor 1 (object 2): 50 bytes are no SquashFS"},
		{text(32768, "x"), "error descriptor 1 (object 2): it is said to be SquashFS and is not"},
		{put64(32768+40, 1<<62), "error descriptor 1 (object 2): its SquashFS has 4611686018427387904 bytes"},
		{func(b []byte) []byte { return append(b, "more"...) }, "warning file: 4 bytes at the end"},
		{text(32300, "hidden"), "warning before object 2: the 573 bytes from byte 32195 on are not zero"},
		{func(b []byte) []byte { return put64(slot(2)+17, 41000)(append(b, make([]byte, 8192)...)) }, "warning before object 3: 4136 bytes from byte 36864 on belong to no object"},
		{func(b []byte) []byte { copy(b[slot(5):], b[slot(1):slot(2)]); return b }, "error file: it has 2 primary system partitions"},
	} {
		r := checked(t, c.change(typical(t)))
		var all []string
		for _, f := range r.Findings {
			all = append(all, fmt.Sprintf("%s %s: %s", f.Level, f.Where, f.Problem))
		}
		if got := strings.Join(all, "\n"); !strings.Contains("\n"+got, "\n"+c.want) || r.Err() == nil {
			t.Errorf("want %q:\n%s", c.want, got)
		}
	}
}

// agrees checks that what programs refuse is what this package calls unsound, but
// for what a partition holds.
func agrees(t testing.TB, b []byte) {
	t.Helper()
	r := checked(t, b)
	unsound := false
	for _, f := range r.Findings {
		unsound = unsound || f.Level == Unsound && !strings.Contains(f.Problem, "SquashFS")
	}
	if _, err := sif.Open(bytes.NewReader(b), int64(len(b))); (err != nil) != unsound {
		t.Fatalf("image/sif says %v, findings %+v", err, r.Findings)
	}
}

// Every number of the header and of the descriptors, with every hostile value.
func TestHostile(t *testing.T) {
	whole := typical(t)
	size := int64(len(whole))
	values := []int64{0, -1, 1, 2, 1 << 31, 1 << 32, 1 << 40, 1<<63 - 1, -1 << 63, size, size - 1, size + 1, 4096, 65537}
	var places []int
	for off := 64; off < 128; off += 8 {
		places = append(places, off)
	}
	for n := range 3 {
		for _, off := range []int{17, 25, 33} {
			places = append(places, slot(n)+off)
		}
	}
	for _, off := range places {
		for _, v := range values {
			b := bytes.Clone(whole)
			binary.LittleEndian.PutUint64(b[off:], uint64(v))
			agrees(t, b)
		}
	}
	for _, off := range []int{0, 5, 9, 13, 201, 205} {
		for _, v := range values {
			b := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(b[slot(1)+off:], uint32(v))
			agrees(t, b)
		}
	}
	for n := range 4200 {
		agrees(t, whole[:n])
	}
	for _, used := range []byte{0, 1, 255} {
		b := bytes.Clone(whole)
		b[slot(2)+4] = used
		agrees(t, b)
	}
}

// A file of a terabyte, and one of nothing but errors, take no more than others.
func TestBounds(t *testing.T) {
	b := typical(t)
	r, err := Check(sparse{b}, 1<<40)
	must(t, err)
	if len(r.Findings) != 1 {
		t.Errorf("%+v", r.Findings)
	}
	many := append(bytes.Clone(b[:4096]), bytes.Repeat([]byte{7}, 5000*descriptorSize)...)
	for off, v := range map[int]uint64{88: 5000, 104: 5000 * descriptorSize} {
		binary.LittleEndian.PutUint64(many[off:], v)
	}
	if r := checked(t, many); len(r.Findings) != maxFindings || r.More < 4000 {
		t.Errorf("%d findings and %d more", len(r.Findings), r.More)
	}
}

// sparse reads zeros behind what there is.
type sparse struct{ b []byte }

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(s.b)) {
		copy(p, s.b[off:])
	}
	return len(p), nil
}

// A file that cannot be read is no finding.
func TestReadError(t *testing.T) {
	b := typical(t)
	for _, end := range []int{50, 5000} {
		if _, err := Check(bytes.NewReader(b[:end]), int64(len(b))); !errors.Is(err, io.EOF) {
			t.Errorf("a file that ends at byte %d: %v", end, err)
		}
	}
}

// FuzzCheck (F1): what is said to be wrong with a file agrees with whether it opens.
func FuzzCheck(f *testing.F) {
	b := typical(f)
	f.Add(b[:128])
	f.Add(b[:33000])
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) { bounded.Do(t, func() { agrees(t, b) }) })
}
