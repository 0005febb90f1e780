package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/google/go-containerregistry/pkg/name"
)

// Logins returns a lookup of credentials in files that docker login and its
// like write, the first one that knows a host; it runs the credential helpers
// that a file names. The files are read when credentials are first asked for. A
// file that is missing is none. Fixed, unless zero, stands for all hosts.
func Logins(fixed Credentials, files []string) func(context.Context, string) (Credentials, error) {
	known := sync.OnceValues(func() ([]*configfile.ConfigFile, error) { return readAll(files) })
	return func(_ context.Context, host string) (Credentials, error) {
		if fixed != (Credentials{}) {
			return fixed, nil
		}
		list, err := known()
		if err != nil {
			return Credentials{}, err
		}
		for _, c := range list {
			found, err := lookup(c, host)
			if err != nil || found != (Credentials{}) {
				return found, err
			}
		}
		return Credentials{}, nil
	}
}

func readAll(files []string) (list []*configfile.ConfigFile, err error) {
	for _, path := range files {
		c, err := readLogins(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("logins in %s: %w", path, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func readLogins(path string) (*configfile.ConfigFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := config.LoadFromReader(f)
	return c, errors.Join(err, f.Close())
}

// lookup finds a host in a file. Docker Hub has another name there.
func lookup(c *configfile.ConfigFile, host string) (Credentials, error) {
	keys := []string{host}
	if host == name.DefaultRegistry {
		keys = []string{"https://index.docker.io/v1/", host, "docker.io"}
	}
	for _, key := range keys {
		a, err := c.GetAuthConfig(key)
		if err != nil {
			return Credentials{}, fmt.Errorf("%s: %w", c.GetFilename(), err)
		}
		found := Credentials{a.Username, a.Password, a.IdentityToken, a.RegistryToken}
		if found != (Credentials{}) {
			return found, nil
		}
	}
	return Credentials{}, nil
}
