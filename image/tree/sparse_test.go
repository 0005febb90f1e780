package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// sparseMap is the map of a sparse file in the form PAX 1.0 has it: the number
// of pieces, then the place and length of each, in a whole number of blocks.
func sparseMap(pairs ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", len(pairs)/2)
	for _, n := range pairs {
		fmt.Fprintf(&b, "%d\n", n)
	}
	return b.String() + strings.Repeat("\x00", -b.Len()&511)
}

// oldGNU is a sparse file as old GNU tar has it: four pieces in the header, 21
// in each block that follows, all of no bytes.
func oldGNU(pieces int) []byte {
	h := block(tar.TypeGNUSparse, "f", "00000000000")
	copy(h[257:], "ustar  \x00")
	number := func(b []byte, n int) { copy(b, fmt.Sprintf("%011o\x00", n)) }
	piece := func(b []byte) { number(b, 0); number(b[12:], 0) }
	for i := range min(pieces, 4) {
		piece(h[386+24*i:])
	}
	number(h[483:], 1<<20)
	rest := max(pieces-4, 0)
	if rest > 0 {
		h[482] = 1
	}
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	for ; rest > 0; rest -= 21 {
		more := make([]byte, 512)
		for i := range min(rest, 21) {
			piece(more[24*i:])
		}
		if rest > 21 {
			more[504] = 1
		}
		h = append(h, more...)
	}
	return h
}

// TestSparseMapsOfEveryForm: maps that contradict their file are errors, and
// those of a million pieces take little memory, whatever their form
// (CVE-2025-58183, CVE-2026-32288).
func TestSparseMapsOfEveryForm(t *testing.T) {
	const million = 1_000_000
	v1 := func(size string) []byte {
		return pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize="+size)
	}
	for name, c := range map[string]struct {
		parts [][]byte
		want  string // part of the error; empty for none
	}{
		"old GNU":             {[][]byte{oldGNU(30)}, ""},
		"old GNU, a million":  {[][]byte{oldGNU(million)}, "sparse map too long"},
		"0.0, a million":      {[][]byte{pax(slices.Repeat([]string{"GNU.sparse.offset=0", "GNU.sparse.numbytes=0"}, million)...), withBody(tar.TypeReg, "f", "")}, "header"},
		"0.1, a million":      {[][]byte{pax("GNU.sparse.size=1", "GNU.sparse.numblocks=1000000", "GNU.sparse.map="+strings.Repeat("0,0,", million-1)+"0,0"), withBody(tar.TypeReg, "f", "")}, "header"},
		"1.0":                 {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(5, 3)+"abc")}, ""},
		"beyond the size":     {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(18, 3)+"abc")}, "invalid tar header"},
		"overlapping":         {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(5, 3, 7, 3)+"abcabc")}, "invalid tar header"},
		"descending":          {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(9, 3, 1, 3)+"abcabc")}, "invalid tar header"},
		"negative":            {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(-5, 3)+"abc")}, "invalid tar header"},
		"more than is stored": {[][]byte{v1("20"), withBody(tar.TypeReg, "f", sparseMap(5, 9)+"abc")}, "non-existent data"},
		"count of 2^62":       {[][]byte{v1("20"), withBody(tar.TypeReg, "f", "4611686018427387904\n")}, "unexpected EOF"},
	} {
		layer := &memLayer{data: append(bytes.Join(c.parts, nil), make([]byte, 1024)...)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := merge(context.Background(), []Layer{layer}, discard, limits{metadata: 1 << 20, holes: 2 << 30})
		runtime.ReadMemStats(&after)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%s: %d MiB allocated", name, grown>>20)
		}
	}
}
