// Package remotes is how commands reach registries: with the credentials, the
// proxies and the exceptions that the environment and the user's files name.
//
// Input: the process's environment and flags. Output: a client for packages
// that read images.
package remotes

import (
	"net/http"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/registry"
)

// Flags are those of every command that reaches registries.
type Flags struct {
	authFile, user, password, daemon string
	plainHTTP                        bool
}

// Add adds the flags.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.authFile, "authfile", "", "read logins of registries from `FILE`, written by docker login")
	ui.Bind(flags, "authfile", "AUTHFILE")
	flags.StringVar(&f.user, "docker-username", "", "user name for the registry")
	ui.Bind(flags, "docker-username", "DOCKER_USERNAME")
	flags.StringVar(&f.password, "docker-password", "", "password for the registry; the variable is safer")
	ui.Bind(flags, "docker-password", "DOCKER_PASSWORD")
	flags.StringVar(&f.daemon, "docker-host", "", "`address` of the Docker daemon, unix://PATH or tcp://HOST:PORT")
	ui.Bind(flags, "docker-host", "DOCKER_HOST")
	flags.BoolVar(&f.plainHTTP, "no-https", false, "speak to registries without TLS")
	ui.Bind(flags, "no-https", "NOHTTPS")
}

// Client returns a client of registries. It reads nothing before it is used.
func (f *Flags) Client(p *ui.Process) *registry.Client {
	return registry.New(registry.Options{
		Credentials: registry.Logins(registry.Credentials{Username: f.user, Password: f.password}, f.files(p)),
		PlainHTTP:   func(string) bool { return f.plainHTTP },
		Transport:   registry.NewTransport(http.ProxyFromEnvironment, nil),
		UserAgent:   "sealift/" + buildcfg.Version,
		Warn:        func(line string) { p.Warn("%s", line) },
	})
}

// Daemon returns the address of the Docker daemon, empty for the usual one.
func (f *Flags) Daemon(p *ui.Process) string {
	if f.daemon == "" {
		return p.Variable("DOCKER_HOST")
	}
	return f.daemon
}

// files are where logins are: what the flag names, or else those of Apptainer,
// Docker (docs.docker.com/reference/cli/docker/login) and Podman
// (containers-auth.json(5)).
func (f *Flags) files(p *ui.Process) []string {
	if f.authFile != "" {
		return []string{f.authFile}
	}
	var files []string
	for _, place := range []struct{ variable, name string }{
		{"REGISTRY_AUTH_FILE", ""},
		{"APPTAINER_CONFIGDIR", "docker-config.json"}, {"HOME", ".apptainer/docker-config.json"},
		{"DOCKER_CONFIG", "config.json"}, {"HOME", ".docker/config.json"},
		{"XDG_RUNTIME_DIR", "containers/auth.json"}, {"HOME", ".config/containers/auth.json"},
	} {
		if dir := p.Variable(place.variable); dir != "" {
			files = append(files, filepath.Join(dir, place.name))
		}
	}
	return files
}
