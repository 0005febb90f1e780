package registry

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// TestNeverLoggedInT66: a registry that answers 401 whatever it is shown, and
// however it says that one gets in, costs a few requests and is one error.
func TestNeverLoggedInT66(t *testing.T) {
	for name, c := range map[string]struct {
		challenge string // of each answer 401; %s is the registry's address
		token     string // what its token service answers, if that is not 401 too
		greets    bool   // /v2/ is answered well, and only what follows is not
	}{
		"basic":                           {`Basic realm="x"`, "", false},
		"basic, later":                    {`Basic realm="x"`, "", true},
		"tokens that are not good":        {`Bearer realm="%s/token",service="x"`, `{"token":"t"}`, false},
		"tokens that are not good, later": {`Bearer realm="%s/token",service="x"`, `{"token":"t"}`, true},
		"expired tokens":                  {`Bearer realm="%s/token",service="x",error="invalid_token"`, `{"token":"t","expires_in":-1}`, false},
		"more scope":                      {`Bearer realm="%s/token",scope="repository:repo:pull,push,more",error="insufficient_scope"`, `{"token":"t"}`, false},
		"no tokens":                       {`Bearer realm="%s/token",service="x"`, "", false},
		"no token in it":                  {`Bearer realm="%s/token",service="x"`, "{}" + strings.Repeat(" ", 1000), false},
		"the registry sells tokens":       {`Bearer realm="%s/v2/repo/manifests/v1"`, "", false},
		"no challenge":                    {"", "", false},
		"no challenge, later":             {"", "", true},
		"unknown challenge":               {"Negotiate", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				asked.Add(1)
				switch {
				case q.URL.Path == "/token" && c.token != "":
					_, _ = io.WriteString(w, c.token) // who has gone does not want it
					return
				case q.URL.Path == "/v2/" && c.greets:
					return
				case c.challenge != "":
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(c.challenge, "%s", s.URL))
				}
				w.WriteHeader(http.StatusUnauthorized)
			}))
			defer s.Close()
			for _, x := range []Credentials{{}, {Username: "user", Password: "secret"}, {RegistryToken: "t"}, {IdentityToken: "t"}} {
				ref := Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "repo", Tag: "v1"}
				for what, ask := range map[string]func(*Repository) error{
					"tag":      func(r *Repository) error { return second(r.Resolve(t.Context())) },
					"manifest": func(r *Repository) error { return second(r.Manifest(t.Context(), "")) },
					"blob":     func(r *Repository) error { return second(readBlob(t, r, sum, 3)) },
				} {
					asked.Store(0)
					r, err := New(Options{Own: x}).Open(t.Context(), ref)
					if err == nil {
						err = ask(r)
					}
					said := fmt.Sprint(err)
					if err == nil || asked.Load() > 8 || len(said) > 500 || strings.Contains(said, "secret") || strings.Contains(said, "\n") {
						t.Errorf("%s: %d requests, %s", what, asked.Load(), said)
					}
					if hint.Of(err) == "" {
						t.Errorf("%s: %s has no hint", what, said)
					}
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }
