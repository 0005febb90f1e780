package payload

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	good256 = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("data")))
	good512 = fmt.Sprintf("sha512_256:%x", sha512.Sum512_256([]byte("data")))
)

func text(objects string) string {
	return `{"version":1,"header":{"digest":"` + good256 + `"},"objects":[` + objects + `]}`
}

func object(id int, digest string) string {
	return fmt.Sprintf(`{"relativeId":%d,"descriptorDigest":%q,"objectDigest":%q}`, id, good256, digest)
}

func TestParse(t *testing.T) {
	p, err := Parse([]byte(text(object(0, good256) + "," + object(3, good512))))
	if err != nil || len(p.Objects) != 2 || p.Objects[1].RelativeID != 3 || p.Objects[1].Data != Digest(good512) || p.Header.Digest != Digest(good256) {
		t.Errorf("%+v, %v", p, err)
	}
	for text, want := range map[string]string{
		"":                             "unexpected end",
		"null":                         "one form",
		text("") + "{}":                "after top-level value",
		" " + text(object(0, good256)): "one form",
		strings.Replace(text(object(0, good256)), "{", `{"more":1,`, 1):            "one form",
		strings.Replace(text(object(0, good256)), "{", `{"version":1,`, 1):         "one form",
		strings.Replace(text(object(0, good256)), `"version"`, `"Version"`, 1):     "one form",
		strings.Replace(text(object(0, good256)), `:1,"header"`, `:2,"header"`, 1): "version 2",
		text(""): "no object is signed",
		text(object(1, good256) + "," + object(1, good256)):                "twice",
		text(object(2, good256) + "," + object(1, good256)):                "not in order",
		text(object(0, "sha1:00")):                                         `the hash "sha1" is not taken`,
		text(object(0, "")):                                                "is not taken",
		text(object(0, "sha256:00")):                                       "is no digest",
		text(object(0, strings.Replace(good256, "sha256:", "sha384:", 1))): "is no digest",
		text(object(0, "sha256:"+strings.Repeat("x", 64))):                 "is no digest",
	} {
		if p, err := Parse([]byte(text)); p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestOf(t *testing.T) {
	for _, d := range []string{good256, good512, fmt.Sprintf("sha384:%x", sha512.Sum384([]byte("data"))), fmt.Sprintf("sha512:%x", sha512.Sum512([]byte("data")))} {
		if same, err := Digest(d).Of(strings.NewReader("data")); err != nil || !same {
			t.Errorf("%s: %t, %v", d, same, err)
		}
		if same, err := Digest(d).Of(strings.NewReader("date")); err != nil || same {
			t.Errorf("%s of other data: %t, %v", d, same, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Digest(good256).Of(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := Digest("md5:00").Of(strings.NewReader("")); err == nil {
		t.Error("md5 is taken")
	}
}

func TestSHA256(t *testing.T) {
	digits := strings.TrimPrefix(good256, "sha256:")
	for digest, want := range map[string]string{
		good256: digits, "sha256:" + strings.ToUpper(digits): digits, good512: "", digits: "", "": "", "sha256:": "", "sha256:00": "",
		"SHA256:" + digits: "", "sha256:" + digits + "00": "", "sha256:" + strings.Repeat("x", 64): "",
	} {
		if got := Digest(digest).SHA256(); got != want {
			t.Errorf("%q: %q, want %q", digest, got, want)
		}
	}
}
