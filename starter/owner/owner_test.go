package owner

import (
	"math"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	for want, r := range map[string]Record{
		"0:0":                           {},
		"33:4":                          {UID: 33, GID: 4},
		"4294967295:65534":              {UID: math.MaxUint32, GID: 65534},
		"0:0:20000:259":                 {Type: 0o020000, Rdev: 259},
		"0:6:60000:4294967295":          {GID: 6, Type: 0o060000, Rdev: math.MaxUint32},
		"4294967295:4294967295:20000:0": {UID: math.MaxUint32, GID: math.MaxUint32, Type: 0o020000},
	} {
		if got := string(r.Append(nil)); got != want {
			t.Errorf("%+v is %q, want %q", r, got, want)
		}
		if got, err := Parse([]byte(want)); err != nil || got != r {
			t.Errorf("%q is %+v, %v", want, got, err)
		}
	}
	if !(Record{}).Root() || (Record{GID: 1}).Root() || (Record{Type: 0o020000}).Root() {
		t.Error("which records are needless is wrong")
	}
}

func TestEntry(t *testing.T) {
	for want, e := range map[string]Entry{
		"0:0:0":                    {},
		"1:2:18446744073709551615": {UID: 1, GID: 2, Inode: math.MaxUint64},
	} {
		if got := string(e.Append([]byte{})); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
		if got, err := ParseEntry([]byte(want)); err != nil || got != e {
			t.Errorf("%q is %+v, %v", want, got, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, s := range []string{
		"", ":", "0", "0:", ":0", "00:0", "-1:0", "+1:0", "0:0:0", "0:0:20000", "0:0:20000:", "0:0:100000:0", "0:0:0:0",
		"4294967296:0", "0:0 ", "0:0\n", "0:0:20000:0:0", "0x1:0", "0:0:020000:1",
	} {
		if r, err := Parse([]byte(s)); err != ErrSyntax {
			t.Errorf("%q is %+v, %v", s, r, err)
		}
	}
	for _, s := range []string{"", "0:0", "0:0:", "0:0:-1", "0:0:00", "a:0:0", "0:0:18446744073709551616", "0:0:0:0"} {
		if e, err := ParseEntry([]byte(s)); err != ErrSyntax {
			t.Errorf("entry %q is %+v, %v", s, e, err)
		}
	}
}

func TestEntryName(t *testing.T) {
	attr, ok := EntryName("a link")
	if name, cut := CutEntry(attr); !ok || !cut || name != "a link" {
		t.Errorf("%q, %v; %q, %v", attr, ok, name, cut)
	}
	if _, ok := EntryName(strings.Repeat("n", 237)); ok {
		t.Error("a name of 237 bytes fits")
	}
	if _, ok := EntryName(strings.Repeat("n", 236)); !ok {
		t.Error("a name of 236 bytes does not fit")
	}
	for _, attr := range []string{Name, "user.sealift.entry.", "user.entry.x", ""} {
		if name, ok := CutEntry(attr); ok {
			t.Errorf("%q is about %q", attr, name)
		}
	}
}

// FuzzParse wants each value either refused or written back as it was.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0:0", "33:4", "0:6:20000:259", "1:2:3", "1:2:60000:4"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if r, err := Parse(value); err == nil && string(r.Append(nil)) != string(value) {
			t.Errorf("%q became %+v", value, r)
		}
		if e, err := ParseEntry(value); err == nil && string(e.Append(nil)) != string(value) {
			t.Errorf("entry %q became %+v", value, e)
		}
	})
}
