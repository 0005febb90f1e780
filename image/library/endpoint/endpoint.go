// Package endpoint is the file in which Apptainer keeps the servers that a user
// may take images from, remote.yaml, shared with it: what one of the two writes
// the other reads.
//
// Input: the text of the user's file and of the site's. Output: the two as one,
// changes, the new text. What the package does not know stays as it is. It speaks
// to no server; files are read and replaced in one place of it.
package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Config is a file, or the user's with the site's in it.
type Config struct {
	// Active is the name of the remote in use, or empty.
	Active  string             `yaml:"Active"`
	Remotes map[string]*Remote `yaml:"Remotes"`
	// Credentials are the user's for key servers and of other programs.
	Credentials []*Credential `yaml:"Credentials,omitempty"`
	// Rest is what is not known here.
	Rest map[string]yaml.Node `yaml:",inline"`
}

// Remote is a server that tells where its services are.
type Remote struct {
	// URI is HOST[:PORT][/PATH].
	URI string `yaml:"URI,omitempty"`
	// Token is a secret.
	Token string `yaml:"Token,omitempty"`
	// System says that the site has it, Exclusive that no other may be used.
	System    bool `yaml:"System"`
	Exclusive bool `yaml:"Exclusive"`
	// Insecure is without TLS.
	Insecure bool `yaml:"Insecure,omitempty"`
	// Keyservers are in the order of use; none stands for the remote's own.
	Keyservers []*Keyserver `yaml:"Keyservers,omitempty"`
	// Rest is what is not known here.
	Rest map[string]yaml.Node `yaml:",inline"`
}

// Apptainer's remote, of a site that has no file; it has no library.
const (
	DefaultName = "DefaultRemote"
	DefaultURI  = "cloud.apptainer.org"
)

// Default returns the configuration of a site that has none.
func Default() *Config {
	return &Config{Active: DefaultName, Remotes: map[string]*Remote{DefaultName: {URI: DefaultURI, System: true}}}
}

// Parse reads the text of a file. An empty one is a Config without remotes.
func Parse(text []byte) (*Config, error) {
	c := &Config{}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if c.Remotes == nil {
		c.Remotes = map[string]*Remote{}
	}
	for name, r := range c.Remotes {
		if r == nil {
			return nil, fmt.Errorf("remote %q is empty", name)
		}
		if slices.Contains(r.Keyservers, nil) {
			return nil, fmt.Errorf("a key server of remote %q is empty", name)
		}
	}
	if slices.Contains(c.Credentials, nil) {
		return nil, errors.New("a credential is empty")
	}
	return c, nil
}

// Encode returns the text of a file.
func (c *Config) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := errors.Join(e.Encode(c), e.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Merge puts the site's remotes in, and returns the names of those that the
// user has too; the user's count. An exclusive remote is the one in use.
func (c *Config) Merge(site *Config) (both []string) {
	for _, name := range slices.Sorted(maps.Keys(site.Remotes)) {
		s := site.Remotes[name]
		r := c.Remotes[name]
		if r != nil && !r.System {
			both = append(both, name)
			continue
		}
		if r == nil {
			r = &Remote{}
			c.Remotes[name] = r
		}
		// The token is the user's.
		r.URI, r.System, r.Exclusive, r.Insecure, r.Keyservers = s.URI, true, s.Exclusive, s.Insecure, s.Keyservers
		if s.Exclusive {
			c.Active = name
		}
	}
	if c.Active == "" {
		c.Active = site.Active
	}
	return both
}

// Get returns a remote, the one in use if name is empty.
func (c *Config) Get(name string) (*Remote, error) {
	if name == "" {
		name = c.Active
	}
	if name == "" {
		return nil, hint.New("no remote is in use", "choose one with sealift remote use: %s", c.names())
	}
	r := c.Remotes[name]
	if r == nil {
		return nil, hint.New(fmt.Sprintf("there is no remote %q", name), "name one of: %s", c.names())
	}
	return r, nil
}

func (c *Config) names() string { return strings.Join(slices.Sorted(maps.Keys(c.Remotes)), ", ") }

// Add adds the remote at an address, HOST[:PORT][/PATH] or a URL of it.
func (c *Config) Add(name, address string, insecure, site bool) error {
	if strings.TrimSpace(name) == "" {
		return hint.New("the name of a remote is empty", "name it")
	}
	if c.Remotes[name] != nil {
		return hint.New(fmt.Sprintf("there is a remote %q already", name), "choose another name, or sealift remote remove it")
	}
	uri, err := parseAddress(address)
	if err != nil {
		return err
	}
	c.Remotes[name] = &Remote{URI: uri, System: site, Insecure: insecure}
	return nil
}

// parseAddress returns a Remote's URI.
func parseAddress(address string) (string, error) {
	text := address
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// What url says of it may hold a password.
		return "", hint.New("this is not the address of a remote", "write HOST[:PORT], such as cloud.sylabs.io")
	}
	return path.Join(u.Host + u.Path), nil
}

// Remove removes a remote; the site's may be removed from the site's file only.
func (c *Config) Remove(name string, site bool) error {
	r, err := c.Get(name)
	if err != nil {
		return err
	}
	if r.System && !site {
		return hint.New(fmt.Sprintf("the remote %q is the site's", name), "sealift remote use another, or as root sealift remote remove --global")
	}
	if c.Active == name {
		c.Active = ""
	}
	delete(c.Remotes, name)
	return nil
}

// Use makes a remote the one in use. Exclusive is for the site's file.
func (c *Config) Use(name string, site, exclusive bool) error {
	r, err := c.Get(name)
	if err != nil {
		return err
	}
	for other, o := range c.Remotes {
		if o.Exclusive && other != name && !site {
			return hint.New(fmt.Sprintf("the site lets no remote be used but %q", other), "ask the system administrator")
		}
		if site && exclusive {
			o.Exclusive = false
		}
	}
	if site {
		r.Exclusive = exclusive
	}
	c.Active = name
	return nil
}

// URL returns where the remote is.
func (r *Remote) URL() string {
	scheme := "https://"
	if r.Insecure {
		scheme = "http://"
	}
	return scheme + r.URI
}
