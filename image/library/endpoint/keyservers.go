package endpoint

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sealift/sealift/buildcfg/hint"
)

// DefaultKeyserver is the key server of Apptainer's remote, which is not asked.
const DefaultKeyserver = "https://keys.openpgp.org"

// Keyserver is a key server of a remote.
type Keyserver struct {
	// URI is of http, https, hkp or hkps.
	URI string `yaml:"URI"`
	// Skip says that the remote's own is not to be used, External that it is not
	// the remote's own, which gets the remote's token.
	Skip     bool `yaml:"Skip"`
	External bool `yaml:"External"`
	// Insecure is with any certificate.
	Insecure bool `yaml:"Insecure"`
	// Rest is what is not known here.
	Rest map[string]yaml.Node `yaml:",inline"`
}

// Credential is what a user shows to a server that is no remote's own.
type Credential struct {
	URI string `yaml:"URI"`
	// Auth is "Bearer TOKEN" or "Basic BASE64"; a secret. It is empty where another
	// program keeps it.
	Auth     string `yaml:"Auth,omitempty"`
	Insecure bool   `yaml:"Insecure"`
	// Rest is what is not known here.
	Rest map[string]yaml.Node `yaml:",inline"`
}

// hkpPort is of draft-shaw-openpgp-hkp-00, 2.
const hkpPort = "11371"

// ParseKeyserver reads the address of a key server: a URL of hkps, hkp, https or
// http. What it returns is of https or http.
func ParseKeyserver(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, badKeyserver() // what url says of it may hold a password
	}
	switch u.Scheme {
	case "hkp":
		u.Scheme = "http"
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), hkpPort)
		}
	case "hkps":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, badKeyserver()
	}
	return u, nil
}

func badKeyserver() error {
	return hint.New("this is not the address of a key server", "write hkps://HOST, https://HOST, hkp://HOST or http://HOST")
}

// SameServer says whether two addresses of key servers lead to the same one.
func SameServer(a, b string) bool {
	x, err1 := ParseKeyserver(a)
	y, err2 := ParseKeyserver(b)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// UsesOwnKeyserver says that no list was made of the remote's key servers: it is
// its own alone, which only the remote tells.
func (r *Remote) UsesOwnKeyserver() bool { return len(r.Keyservers) == 0 }

// UsedKeyservers returns the key servers in their order.
func (r *Remote) UsedKeyservers() (used []*Keyserver) {
	for _, k := range r.Keyservers {
		if !k.Skip {
			used = append(used, k)
		}
	}
	return used
}

// AddKeyserver puts a key server at a place of the order, which counts from 1; 0
// is the end. Own, unless empty, is the remote's own, for a remote without a
// list.
func (r *Remote) AddKeyserver(own, address string, order int, insecure bool) error {
	if _, err := ParseKeyserver(address); err != nil {
		return err
	}
	r.list(own)
	added := &Keyserver{URI: address, External: true, Insecure: insecure}
	if i := r.keyserver(address); i >= 0 {
		if there := r.Keyservers[i]; there.External || !there.Skip {
			return hint.New(fmt.Sprintf("the key server %s is there already", address), "sealift keyserver remove it first to change it")
		}
		added = r.Keyservers[i]
		added.Skip = false
		r.Keyservers = slices.Delete(r.Keyservers, i, i+1)
	}
	used := len(r.UsedKeyservers())
	if order < 0 || order > used+1 {
		return hint.New(fmt.Sprintf("there is no place %d for a key server", order), "choose 1 to %d", used+1)
	}
	at := len(r.Keyservers)
	if order > 0 && order <= used {
		at = slices.Index(r.Keyservers, r.UsedKeyservers()[order-1])
	}
	r.Keyservers = slices.Insert(r.Keyservers, at, added)
	return nil
}

// RemoveKeyserver removes a key server. The remote's own stays, to be skipped.
func (r *Remote) RemoveKeyserver(own, address string) error {
	r.list(own)
	i := r.keyserver(address)
	switch {
	case i < 0 || r.Keyservers[i].Skip:
		return hint.New(fmt.Sprintf("the remote does not use the key server %s", address), "see sealift keyserver list")
	case len(r.UsedKeyservers()) == 1:
		return hint.New(fmt.Sprintf("%s is the only key server", address), "add another one first")
	case r.Keyservers[i].External:
		r.Keyservers = slices.Delete(r.Keyservers, i, i+1)
	default:
		r.Keyservers[i].Skip = true
	}
	return nil
}

// list makes the list explicit.
func (r *Remote) list(own string) {
	if r.UsesOwnKeyserver() && own != "" {
		r.Keyservers = []*Keyserver{{URI: own}}
	}
}

func (r *Remote) keyserver(address string) int {
	return slices.IndexFunc(r.Keyservers, func(k *Keyserver) bool { return SameServer(k.URI, address) })
}

// Authorization returns what is shown to a key server of the remote: its token
// to its own, the user's credential to another; or nothing.
func (c *Config) Authorization(r *Remote, k *Keyserver) string {
	if !k.External {
		if r.Token == "" {
			return ""
		}
		return "Bearer " + r.Token
	}
	for _, x := range c.Credentials {
		if SameServer(x.URI, k.URI) {
			return x.Auth
		}
	}
	return ""
}

// ExternalKeyserver returns the key server at an address that some remote has
// and that is not its own, or nil.
func (c *Config) ExternalKeyserver(address string) *Keyserver {
	for _, r := range c.Remotes {
		if i := r.keyserver(address); i >= 0 && r.Keyservers[i].External {
			return r.Keyservers[i]
		}
	}
	return nil
}

// SetCredential keeps a credential in the place of those for the same server.
func (c *Config) SetCredential(x Credential) {
	c.RemoveCredential(x.URI)
	c.Credentials = append(c.Credentials, &x)
}

// RemoveCredential removes the credentials for a server, and says whether there
// were any.
func (c *Config) RemoveCredential(address string) bool {
	before := len(c.Credentials)
	c.Credentials = slices.DeleteFunc(c.Credentials, func(x *Credential) bool { return SameServer(x.URI, address) })
	return len(c.Credentials) < before
}
