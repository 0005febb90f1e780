package library

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func upload(b []byte) Upload {
	return Upload{File: bytes.NewReader(b), Size: int64(len(b)), Arch: "amd64", Description: "plots"}
}

// TestPush: what is missing is made, the bytes arrive, and a second push sends
// none.
func TestPush(t *testing.T) {
	b := noise(100_000)
	for _, api := range []string{"2.0.0-alpha.2", "2.0.0-alpha.1", "2.1.0", "1.0.0", ""} {
		l := newLibrary(t)
		l.Token, l.API = "secret", api
		c := client(t, l, "secret")
		for range 2 {
			if digest, err := c.Push(t.Context(), reference(t, path+":1.0,1"), upload(b)); err != nil || digest != "sha256:"+digestOf(b) {
				t.Fatalf("%s: %s, %v", api, digest, err)
			}
		}
		arch := "amd64"
		if api != "2.0.0-alpha.2" && api != "2.1.0" {
			arch = ""
		}
		if !bytes.Equal(l.Get(path, "1.0", arch), b) || !bytes.Equal(l.Get(path, "1", arch), b) {
			t.Errorf("%s: the library does not have it", api)
		}
		asked := strings.Join(l.Requests(), ",")
		way := "storage PUT"
		if api == "1.0.0" || api == "" {
			way = "POST /v1/imagefile/"
		}
		if strings.Count(asked, way) != 1 || strings.Count(asked, "POST /v1/containers") != 1 {
			t.Errorf("%s: asked %s", api, asked)
		}
		if seen := l.Leaked(); len(seen) > 0 {
			t.Errorf("the storage saw %q", seen)
		}
	}
}

func TestSince(t *testing.T) {
	l := newLibrary(t)
	c := client(t, l, "")
	for version, want := range map[string][2]bool{
		"": {}, "x": {}, "1.9.9": {}, "2.0.0-alpha.0": {}, "2.0.0-alpha.1": {true, false}, "2.0.0-alpha.2": {true, true},
		"2.0.0": {true, true}, "2.0.0-beta.1": {true, true}, "2.3.4": {true, true}, "3.0.0-alpha.0": {true, true},
	} {
		l.API = version
		if got := [2]bool{c.since(t.Context(), directUploads), c.since(t.Context(), archTags)}; got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

// TestParts sends a file that is large enough for it.
func TestParts(t *testing.T) {
	b := noise(64<<10 + 100)
	for name, c := range map[string]struct {
		size    int64
		options map[string]string
		fault   func(http.ResponseWriter, *http.Request) bool
		want    string
	}{
		"fine":         {size: 32 << 10},
		"no S3":        {size: 32 << 10, options: map[string]string{"s3compliant": "false"}},
		"no parts":     {},
		"a part fails": {size: 32 << 10, fault: fault("/put/", 1, text(500, ""))},
		"part missing": {size: 32 << 10, fault: fault("/put/", -1, text(404, "")), want: "part 1 of 3"},
		"wrong parts":  {fault: fault("/v2/imagefile/100/_multipart", 1, text(200, `{"data":{"uploadID":"u","totalParts":9,"partSize":1}}`)), want: "in 9 parts of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			l.PartSize, l.Options, l.Fault = c.size, c.options, c.fault
			large := client(t, l, "")
			large.minParts = 64 << 10
			_, err := large.Push(t.Context(), reference(t, path+":1"), upload(b))
			if c.want == "" && (err != nil || !bytes.Equal(l.Get(path, "1", "amd64"), b)) {
				t.Errorf("error %v", err)
			}
			asked := strings.Join(l.Requests(), ",")
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || l.Get(path, "1", "amd64") != nil) {
				t.Errorf("error %v", err)
			}
			if name == "part missing" && (!strings.Contains(asked, "_multipart_abort") || strings.Count(asked, "storage PUT") != 3) {
				t.Errorf("asked %s", asked)
			}
			if name == "no parts" && strings.Count(asked, "storage PUT") != 1 {
				t.Errorf("asked %s", asked)
			}
		})
	}
}

// TestStorageAddress: a library cannot send a file anywhere it likes.
func TestStorageAddress(t *testing.T) {
	c, err := New("https://h.example", "secret", via())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"", "file:///etc/passwd", "http://h.example/x?sig=hidden", "https:///x", ":"} {
		if _, err := c.toStorage(t.Context(), address); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := c.toStorage(t.Context(), "https://s3.example/x"); err != nil {
		t.Error(err)
	}
}

func TestPushRefused(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	for name, want := range map[string]string{
		"tools/plot:1": "three parts", path + ":sha256." + strings.Repeat("a", 64): "by itself", path + ":1": "401 Unauthorized",
	} {
		if _, err := client(t, l, "").Push(t.Context(), reference(t, name), upload([]byte("x"))); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	u := upload([]byte("x"))
	u.Size = 2
	if _, err := client(t, l, "secret").Push(t.Context(), reference(t, path), u); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("a file that is cut: %v", err)
	}
	l.Fault = fault("/put/", -1, text(507, ""))
	if _, err := client(t, l, "secret").Push(t.Context(), reference(t, path), upload([]byte("x"))); err == nil || !strings.Contains(err.Error(), "the library's storage 127.0.0.1") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client(t, l, "secret").Push(ctx, reference(t, path), upload([]byte("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTagAndDelete(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	c := client(t, l, "secret")
	if _, err := c.Push(t.Context(), reference(t, path+":1"), upload([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	ref := reference(t, path+":1")
	if err := c.Tag(t.Context(), ref, "amd64", "stable", "2"); err != nil || string(l.Get(path, "stable", "amd64")) != "x" || l.Get(path, "2", "amd64") == nil {
		t.Errorf("error %v", err)
	}
	if err := c.Tag(t.Context(), ref, "amd64", "a/b"); err == nil || !strings.Contains(err.Error(), "not a tag") {
		t.Errorf("error %v", err)
	}
	if err := c.Tag(t.Context(), reference(t, path+":9"), "amd64", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if err := client(t, l, "").Delete(t.Context(), ref, "amd64"); err == nil {
		t.Error("anyone may delete")
	}
	if err := c.Delete(t.Context(), ref, "arm64"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if err := c.Delete(t.Context(), ref, "amd64"); err != nil || l.Get(path, "1", "amd64") != nil {
		t.Errorf("error %v", err)
	}
}

func TestSearch(t *testing.T) {
	l := newLibrary(t)
	l.Put(path, "1", "amd64", []byte("x"))
	c := client(t, l, "")
	found, err := c.Search(t.Context(), Query{Text: "plot", Arch: "amd64", Signed: true})
	if err != nil || len(found) != 1 || found[0].Reference.String() != "library://"+path+":sha256."+digestOf([]byte("x")) || found[0].Description != "a test" {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := c.Search(t.Context(), Query{Text: "plot", Arch: "arm64"}); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := c.Search(t.Context(), Query{Text: "pl"}); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestUser(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	if u, err := client(t, l, "secret").User(t.Context()); err != nil || u != (User{"ann", "ann@h.example", "oci-secret"}) {
		t.Errorf("%v, %v", u, err)
	}
	if _, err := client(t, l, "").User(t.Context()); err == nil {
		t.Error("anyone is somebody")
	}
}
