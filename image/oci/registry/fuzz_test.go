package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/bounded"
)

// world answers all requests of a client, whatever host they are for.
type world func(q *http.Request) *http.Response

// RoundTrip is http.RoundTripper's.
func (w world) RoundTrip(q *http.Request) (*http.Response, error) { return w(q), nil }

func said(q *http.Request, status int, header http.Header, body string) *http.Response {
	return &http.Response{
		Request: q, Status: http.StatusText(status), StatusCode: status, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// FuzzChallenge (F10): whatever a registry answers before it knows who asks, the
// password leaves by TLS only, and goes to the registry or, in exchange for a
// token, to the host that the registry named as its realm; the token goes to the
// registry alone.
func FuzzChallenge(f *testing.F) {
	const token = `{"token":"bought"}`
	for _, c := range []string{
		`Basic realm="x"`, `basic`, `Bearer realm="https://r.example/token",service="s",scope="a b"`, `Bearer`, "", `Negotiate`,
		`Bearer realm="http://r.example/token"`, `Bearer realm="https://auth.example/token"`, `Bearer realm="https://user:x@auth.example/t?a=b#c"`,
		`Bearer realm="https://169.254.169.254/"`, `Bearer realm="file:///etc/passwd"`, `Bearer realm="//r.example"`, `Bearer realm="https://r.example:443/"`,
		`Bearer realm=https://auth.example, error="insufficient_scope"`, `Digest a=b, Bearer realm="https://auth.example/",service="\"\\`,
		"Bearer realm=\"https://r.example\x00.auth.example/\"", `Bearer realm="https://r.example@auth.example/"`,
		`Bearer realm="https://1669%254/"`, `Bearer realm="https://r%C3%A9.example/"`,
	} {
		f.Add(c, "", token)
		f.Add(c, "http://r.example/v2/", token)
		f.Add(c, "http://auth.example/v2/", `{"access_token":"bought","refresh_token":"more","expires_in":-1}`)
		f.Add(c, "https://auth.example/v2/", `{"token":1}`)
	}
	f.Fuzz(func(t *testing.T, challenge, elsewhere, bought string) {
		asked := 0
		w := world(func(q *http.Request) *http.Response {
			asked++
			auth := q.Header.Get("Authorization")
			realm := q.URL.Path != "/v2/" && !strings.HasPrefix(q.URL.Path, "/v2/repo/")
			password, token := auth == "Basic "+basic("user", "secret"), auth == "Bearer bought"
			switch { // an address may have a user in it, which is none of ours
			case (password || token) && q.URL.Scheme != "https":
				t.Errorf("%q went to %s", auth, q.URL)
			case token && q.URL.Host != "r.example" && !strings.HasPrefix(elsewhere, "https://"+q.URL.Host):
				t.Errorf("a token went to %s", q.URL)
			case password && q.URL.Host != "r.example" && !names(challenge, q.URL):
				t.Errorf("the password went to %s", q.URL)
			}
			switch {
			case auth == "" && q.URL.Host == "r.example" && q.URL.Path == "/v2/" && elsewhere != "" && q.URL.Scheme == "https":
				return said(q, http.StatusTemporaryRedirect, http.Header{"Location": {elsewhere}}, "")
			case realm:
				return said(q, http.StatusOK, http.Header{}, bought)
			case auth == "":
				return said(q, http.StatusUnauthorized, http.Header{"Www-Authenticate": {challenge}}, "")
			}
			return said(q, http.StatusOK, http.Header{}, "foo")
		})
		user := Credentials{Username: "user", Password: "secret"}
		c := New(Options{Transport: w, Unverified: w,
			Credentials: func(context.Context, string) (Credentials, error) { return user, nil }})
		bounded.Do(t, func() {
			r, err := c.Open(t.Context(), Reference{Host: "r.example", Repository: "repo", Tag: "v1"})
			if err != nil {
				return
			}
			if b, err := readBlob(t, r, sum, 3); err == nil && string(b) != "foo" {
				t.Errorf("a blob of %q", b)
			}
		})
		if asked > 60 {
			t.Errorf("%d requests", asked)
		}
	})
}

// names says whether a challenge holds the address of a host, in any spelling.
func names(challenge string, u *url.URL) bool {
	plain := strings.ReplaceAll(challenge, `\`, "")
	decoded := regexp.MustCompile("%[0-9A-Fa-f]{2}").ReplaceAllStringFunc(plain, func(code string) string {
		b, _ := hex.DecodeString(code[1:])
		return string(b)
	})
	return strings.Contains(plain, u.Host) || strings.Contains(decoded, u.Host)
}

// zeros is a body without an end.
type zeros struct{ read int64 }

// Read is io.Reader's.
func (z *zeros) Read(p []byte) (int, error) {
	if z.read += int64(len(p)); z.read > 64<<20 {
		return 0, errors.New("64 MiB were read")
	}
	return len(p), nil
}

// TestEndlessHandshake: what a registry says before anything is asked of it is
// read no further than it matters.
func TestEndlessHandshake(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusTeapot} {
		var bodies []*zeros
		w := world(func(q *http.Request) *http.Response {
			resp := said(q, status, http.Header{"Www-Authenticate": {`Bearer realm="https://r.example/token"`}}, "")
			z := &zeros{}
			bodies = append(bodies, z)
			resp.Body, resp.ContentLength = io.NopCloser(z), -1
			if q.URL.Path == "/token" {
				resp.StatusCode = http.StatusOK
			}
			return resp
		})
		c := New(Options{Transport: w, Unverified: w})
		_, err := c.Open(t.Context(), Reference{Host: "r.example", Repository: "repo", Tag: "v1"})
		if (err == nil) != (status == http.StatusOK) {
			t.Errorf("status %d: %v", status, err)
		}
		for i, z := range bodies {
			if z.read > 2*maxHandshake {
				t.Errorf("status %d: %d bytes of answer %d were read", status, z.read, i)
			}
		}
	}
}
