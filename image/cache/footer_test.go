package cache

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFooterIsStable(t *testing.T) {
	f := footer{"", "a step", 5, time.Unix(1_700_000_000, 0)}
	const want = "a step\x05\x00\x00\x00\x00\x00\x00\x00\x00\xf1Se\x00\x00\x00\x00\x06\x00\x00\x00\x14Y\x9b\xe3SEALCAC1"
	if got := f.encode(testID(1)); string(got) != want {
		t.Errorf("on disk it is %q, was %q", got, want)
	}
	f.digest = strings.Repeat("d", 32)
	hashed := f.digest + strings.Replace(want[:26], "\x14Y\x9b\xe3", "", 1)
	if got := string(f.encode(testID(1))); !strings.HasPrefix(got, hashed) || !strings.HasSuffix(got, "SEALCAC2") || len(got) != len(want)+32 {
		t.Errorf("with a digest it is %q", got)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "",
		"pip install\r\n\tnumpy":                "pip install   numpy",
		"\x1b]0;title\x07 \u202etxt.exe \u009b": " ]0;title   txt.exe  ",
		"bad \xff UTF-8":                        "bad \uFFFD UTF-8",
		strings.Repeat("ä", 150):                strings.Repeat("ä", 100),
		"x" + strings.Repeat("ä", 150):          "x" + strings.Repeat("ä", 99),
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// FuzzFooter: whatever the end of a file is, parsing it does not fail badly; what
// it accepts is within bounds; and what encode makes is accepted as it was, for
// its own entry and length only.
func FuzzFooter(f *testing.F) {
	good := footer{"", "a step", 5, time.Unix(1_700_000_000, 0)}.encode(testID(1))
	f.Add(good, int64(5+len(good)), "text", int64(1))
	f.Add(good[1:], int64(5+len(good)), "", int64(0))
	hashed := footer{strings.Repeat("d", 32), "", 5, time.Unix(1, 0)}.encode(testID(1))
	f.Add(hashed, int64(5+len(hashed)), "text", int64(2))
	f.Add([]byte(magicHashed), int64(8), "", int64(0))
	f.Add([]byte(magic), int64(8), "\x1b[0m", int64(1)<<62)
	f.Fuzz(func(t *testing.T, end []byte, length int64, text string, size int64) {
		if len(end) > maxFooter {
			end = end[len(end)-maxFooter:]
		}
		if foot, err := parseFooter(end, length, testID(1)); err == nil {
			if foot.size < 0 || foot.size > length || !utf8.ValidString(foot.description) || len(foot.description) > maxDescription {
				t.Errorf("accepted %+v of %d bytes", foot, length)
			}
		}
		size &= 1<<62 - 1
		foot := footer{strings.Repeat("d", int(size&1)*32), oneLine(text), size, time.Unix(size>>20, 0)}
		b := foot.encode(testID(1))
		all := size + int64(len(b))
		got, err := parseFooter(append(bytes.Clone(end), b...), all, testID(1))
		if err != nil || got.digest != foot.digest || got.description != foot.description || got.size != size || !got.created.Equal(foot.created) {
			t.Errorf("%+v is read as %+v (%v)", foot, got, err)
		}
		if _, err := parseFooter(b, all, testID(2)); err == nil {
			t.Error("accepted for another entry")
		}
		if _, err := parseFooter(b, all+1, testID(1)); err == nil {
			t.Error("accepted at another length")
		}
	})
}
