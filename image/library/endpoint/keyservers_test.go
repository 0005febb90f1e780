package endpoint

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParseKeyserver(t *testing.T) {
	for address, want := range map[string]string{
		"hkp://h": "http://h:11371", "hkp://h:80": "http://h:80", "hkps://h/x": "https://h/x", "https://h:1": "https://h:1", "http://[::1]": "http://[::1]",
	} {
		if u, err := ParseKeyserver(address); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", address, u, err)
		}
	}
	for _, address := range []string{"", "h", "ldap://h", "https://u:secret@h", "https://", "https://h?x", ":"} {
		if u, err := ParseKeyserver(address); err == nil || hint.Of(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", address, u, err)
		}
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"hkp://h", "http://H:11371/", true}, {"hkps://h", "https://h", true}, {"http://h", "https://h", false}, {"https://h", "https://h:8443", false}, {"", "", false},
	} {
		if SameServer(c.a, c.b) != c.same {
			t.Errorf("%s, %s: %t", c.a, c.b, !c.same)
		}
	}
}

func servers(r *Remote) string {
	var list []string
	for _, k := range r.UsedKeyservers() {
		list = append(list, k.URI)
	}
	return strings.Join(list, " ")
}

// TestOrder: key servers come where they are put, and the remote's own is only
// skipped.
func TestOrder(t *testing.T) {
	r := &Remote{}
	const own = "https://own"
	add := func(address string, order int, want string) {
		t.Helper()
		if err := r.AddKeyserver(own, address, order, false); err != nil || servers(r) != want {
			t.Errorf("%s, %v", servers(r), err)
		}
	}
	remove := func(address, want string) {
		t.Helper()
		if err := r.RemoveKeyserver(own, address); err != nil || servers(r) != want {
			t.Errorf("%s, %v", servers(r), err)
		}
	}
	if !r.UsesOwnKeyserver() {
		t.Error("there is a list")
	}
	add("https://a", 0, "https://own https://a")
	add("hkps://b", 1, "hkps://b https://own https://a")
	remove("https://own", "hkps://b https://a")
	add("https://c", 2, "hkps://b https://c https://a")
	add("https://own", 3, "hkps://b https://c https://own https://a")
	remove("https://a", "hkps://b https://c https://own")
	remove("https://b", "https://c https://own")
	remove("https://own", "https://c")
	for _, e := range []struct {
		want string
		err  error
	}{
		{"only key server", r.RemoveKeyserver(own, "https://c")},
		{"does not use", r.RemoveKeyserver(own, "https://own")},
		{"does not use", r.RemoveKeyserver(own, "https://b")},
		{"already", r.AddKeyserver(own, "hkps://c", 0, false)},
		{"no place 3", r.AddKeyserver(own, "https://d", 3, false)},
		{"no place -1", r.AddKeyserver(own, "https://d", -1, false)},
		{"not the address", r.AddKeyserver(own, "d", 0, false)},
	} {
		if e.err == nil || hint.Of(e.err) == "" || !strings.Contains(e.err.Error(), e.want) {
			t.Errorf("%s: %v", e.want, e.err)
		}
	}
	if servers(r) != "https://c" {
		t.Error(servers(r))
	}
}

// TestAuthorization: a token is for the remote's own server, a credential for
// its server.
func TestAuthorization(t *testing.T) {
	c := parse(t, written)
	r := c.Remotes["SylabsCloud"]
	external := r.Keyservers[0]
	own := &Keyserver{URI: "https://own"}
	if got := c.Authorization(r, own); got != "Bearer secret" {
		t.Error(got)
	}
	if got := c.Authorization(&Remote{}, own) + c.Authorization(r, external); got != "" {
		t.Error(got)
	}
	if c.ExternalKeyserver("hkps://keys.example") != external || c.ExternalKeyserver("https://own") != nil {
		t.Error("the external server is not found")
	}
	c.SetCredential(Credential{URI: "https://keys.example", Auth: "Bearer a"})
	c.SetCredential(Credential{URI: "hkps://keys.example", Auth: "Bearer b"})
	c = parse(t, encode(t, c))
	if got := c.Authorization(c.Remotes["SylabsCloud"], external); got != "Bearer b" || len(c.Credentials) != 2 {
		t.Errorf("%s of %d", got, len(c.Credentials))
	}
	if !c.RemoveCredential("https://keys.example") || c.RemoveCredential("https://keys.example") || len(c.Credentials) != 1 {
		t.Errorf("%d are left", len(c.Credentials))
	}
}
