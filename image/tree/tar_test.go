package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// block is a tar header by hand: archive/tar writes none that is wrong.
func block(flag byte, name, size string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], size)
	copy(b[136:], "00000000000\x00        ")
	b[156] = flag
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// withBody is a header and what it says that follows.
func withBody(flag byte, name, body string) []byte {
	b := append(block(flag, name, fmt.Sprintf("%011o", len(body))), body...)
	return append(b, make([]byte, -len(body)&511)...)
}

// pax is a PAX header of records in order, each with its length before it.
func pax(records ...string) []byte {
	var body strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n++
		}
		fmt.Fprintf(&body, "%d %s\n", n, r)
	}
	return withBody(tar.TypeXHeader, "pax", body.String())
}

// TestExtendedHeaders: what a name, size or owner of a PAX or GNU header says
// is judged like that of a plain one.
func TestExtendedHeaders(t *testing.T) {
	plain, long := withBody(tar.TypeReg, "f", "x"), strings.Repeat("n", 200)
	for name, c := range map[string]struct {
		tar  [][]byte
		want string // a name, or part of an error
	}{
		"name":                 {[][]byte{pax("path=a"), plain}, "a"},
		"name twice":           {[][]byte{pax("path=a", "path=b"), plain}, "b"},
		"GNU name":             {[][]byte{withBody('L', "././@LongLink", long+"\x00"), plain}, long},
		"GNU name and PAX":     {[][]byte{withBody('L', "././@LongLink", long+"\x00"), pax("path=a"), plain}, long}, // as archive/tar has it
		"global name":          {[][]byte{withBody(tar.TypeXGlobalHeader, "g", "13 path=../x\n"), plain}, "f"},
		"escape":               {[][]byte{pax("path=../../x"), plain}, "out of the root"},
		"link escape":          {[][]byte{pax("linkpath=../x"), block(tar.TypeLink, "l", "0")}, "out of the root"},
		"NUL":                  {[][]byte{pax("path=a\x00b"), plain}, "invalid tar header"},
		"negative size":        {[][]byte{pax("size=-1"), plain}, "invalid tar header"},
		"greatest size":        {[][]byte{pax("size=9223372036854775807"), plain}, "unexpected EOF"},
		"owner in hexadecimal": {[][]byte{pax("uid=0x1f"), plain}, "invalid tar header"},
		"large owner":          {[][]byte{pax("gid=4294967295"), plain}, "outside 0..4294967294"},
		"length too small":     {[][]byte{withBody(tar.TypeXHeader, "pax", "7 path=a\n"), plain}, "invalid tar header"},
		"length too large":     {[][]byte{withBody(tar.TypeXHeader, "pax", "99 path=a\n"), plain}, "invalid tar header"},
		"large PAX":            {[][]byte{pax("comment=" + strings.Repeat("x", 2<<20)), plain}, "header field too long"},
		"large GNU name":       {[][]byte{withBody('L', "././@LongLink", strings.Repeat("x", 10<<20)), plain}, "header field too long"},
		"long GNU name":        {[][]byte{withBody('L', "././@LongLink", strings.Repeat("x", 300)+"\x00"), plain}, "longer than 255"},
	} {
		layer := &memLayer{data: append(slices.Concat(c.tar...), make([]byte, 1024)...)}
		root, _, err := Merge(context.Background(), []Layer{layer}, discard)
		switch {
		case err == nil && !slices.Equal(slices.Collect(maps.Keys(root.Entries)), []string{c.want}):
			t.Errorf("%s: made %.300q, want %.300q", name, root.Names(), c.want)
		case err != nil && !strings.Contains(err.Error(), c.want) || err != nil && len(err.Error()) > 1000:
			t.Errorf("%s: error %.300v, want %q", name, err, c.want)
		}
	}
}

// TestSparseMaps: a map of a million holes takes little memory (CVE-2025-58183).
func TestSparseMaps(t *testing.T) {
	holes := "1000000\n" + strings.Repeat("0\n0\n", 1_000_000)
	layer := &memLayer{data: bytes.Join([][]byte{
		pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize=1099511627776"),
		withBody(tar.TypeReg, "f", holes), make([]byte, 1024),
	}, nil)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := Merge(context.Background(), []Layer{layer}, discard)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("accepted")
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d MiB allocated", grown>>20)
	}
}
