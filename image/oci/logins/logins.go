// Package logins keeps users' logins at registries, in the files and by the
// credential helpers that docker login uses (docker/cli's config.json, and
// containers-auth.json(5), which adds logins for parts of a registry).
//
// Input: paths of such files. Output: credentials for a repository, and files
// with a login more or less. A file is changed whole or not at all, by one
// process at a time, and keeps whatever else is in it. Helpers get passwords on
// their standard input.
package logins

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

// Find returns a lookup of credentials for HOST[:PORT][/PATH] in files, the
// first one that knows it; it runs the credential helpers that a file names. The
// files are read when credentials are first asked for. One that is missing is
// none.
func Find(files []string) func(ctx context.Context, where string) (registry.Credentials, error) {
	known := sync.OnceValues(func() ([]*file, error) { return readAll(files) })
	return func(_ context.Context, where string) (registry.Credentials, error) {
		list, err := known()
		if err != nil {
			return registry.Credentials{}, err
		}
		for _, f := range list {
			found, err := f.find(where)
			if err != nil || found != (registry.Credentials{}) {
				return found, err
			}
		}
		return registry.Credentials{}, nil
	}
}

func readAll(files []string) (list []*file, err error) {
	for _, path := range files {
		f, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// file is one with logins.
type file struct {
	path string
	raw  []byte // nil of a file that is not there
	all  *configfile.ConfigFile
	// hosts is the same without the logins for parts of registries, which
	// docker/cli would take for those of the whole.
	hosts configfile.ConfigFile
}

// read reads a file.
func read(path string) (*file, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("logins: %w", err)
	}
	return parse(path, raw)
}

func parse(path string, raw []byte) (*file, error) {
	c, err := config.LoadFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("logins in %s: %w", path, err), "mend that file, or name another one with --authfile")
	}
	f := &file{path, raw, c, *c}
	f.hosts.AuthConfigs = map[string]types.AuthConfig{}
	for key, a := range c.AuthConfigs {
		if !isPart(key) {
			f.hosts.AuthConfigs[key] = a
		}
	}
	return f, nil
}

// isPart tells HOST/PATH from a host, which old versions of docker login wrote
// as https://HOST/v1/.
func isPart(key string) bool {
	host, path, _ := strings.Cut(key, "/")
	path = strings.TrimSuffix(path, "/")
	return !strings.HasSuffix(host, ":") && path != "" && path != "v1" && path != "v2"
}

// Names that Docker Hub has for who logs in, and for those who keep logins.
const (
	hubHost = "index.docker.io"
	hubName = "docker.io"
	hubKey  = "https://index.docker.io/v1/"
)

// keys returns what a login for HOST[:PORT][/PATH] may be kept under, the most
// specific first, and those of the host alone.
func keys(where string) (parts, hosts []string) {
	host, path, _ := strings.Cut(where, "/")
	hosts = []string{host}
	if host == hubHost || host == hubName {
		hosts = []string{hubKey, hubHost, hubName}
	}
	for ; path != ""; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
		for _, h := range hosts {
			if h != hubKey {
				parts = append(parts, h+"/"+path)
			}
		}
	}
	return parts, hosts
}

// find looks a login up.
func (f *file) find(where string) (registry.Credentials, error) {
	parts, hosts := keys(where)
	for _, key := range parts {
		if _, there := f.all.AuthConfigs[key]; !there {
			continue // no helper is asked for what nobody logged in to
		}
		if x, err := f.get(f.all, key); err != nil || x != (registry.Credentials{}) {
			return x, err
		}
	}
	for _, key := range hosts {
		if x, err := f.get(&f.hosts, key); err != nil || x != (registry.Credentials{}) {
			return x, err
		}
	}
	return registry.Credentials{}, nil
}

func (f *file) get(c *configfile.ConfigFile, key string) (registry.Credentials, error) {
	a, err := c.GetAuthConfig(key)
	if err != nil {
		return registry.Credentials{}, fmt.Errorf("login for %s of %s: %w", key, f.path, err)
	}
	return registry.Credentials{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}, nil
}

// Login is one that a file has or that it knows of.
type Login struct {
	// Registry is HOST[:PORT][/PATH].
	Registry string `json:"registry"`
	// Username is empty where only a helper knows it.
	Username string `json:"username,omitempty"`
	// Helper is the suffix of the credential helper's name, docker-credential-…,
	// that keeps the password; without one the file does.
	Helper string `json:"helper,omitempty"`
	// File is the path of the file.
	File string `json:"file"`
}

// List returns the logins of files, by name in each. It asks no helper. A file
// that is missing has none.
func List(files []string) (list []Login, err error) {
	known, err := readAll(files)
	for _, f := range known {
		for _, key := range slices.Sorted(maps.Keys(f.all.AuthConfigs)) {
			l := Login{shown(key), f.all.AuthConfigs[key].Username, f.helper(key), f.path}
			list = append(list, l)
		}
		for _, key := range slices.Sorted(maps.Keys(f.all.CredentialHelpers)) {
			if _, twice := f.all.AuthConfigs[key]; !twice {
				list = append(list, Login{shown(key), "", f.helper(key), f.path})
			}
		}
	}
	return list, err
}

// shown is the name of a registry that a key stands for.
func shown(key string) string {
	if key == hubKey || key == hubHost {
		return hubName
	}
	if isPart(key) {
		return key
	}
	_, key, _ = strings.Cut("//"+key, "//")
	if _, host, ok := strings.Cut(key, "//"); ok {
		key = host
	}
	host, _, _ := strings.Cut(key, "/")
	return host
}

// helper returns the credential helper for a key, empty where the file keeps
// passwords itself.
func (f *file) helper(key string) string {
	if h, ok := f.all.CredentialHelpers[key]; ok {
		return h
	}
	return f.all.CredentialsStore
}

// entry is what a file keeps of a login: docker/cli's configuration file.
func entry(x registry.Credentials) json.RawMessage {
	text, _ := json.Marshal(map[string]string{ // strings always can be
		"auth": base64.StdEncoding.EncodeToString([]byte(x.Username + ":" + x.Password)),
	})
	return text
}
