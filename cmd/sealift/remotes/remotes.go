// Package remotes is how commands reach registries: with the credentials, the
// proxies, the mirrors and the exceptions that the environment and the site's
// and the user's files name.
//
// Input: the process's environment and flags. Output: a client for packages
// that read images.
package remotes

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/conn"
	"github.com/sealift/sealift/image/oci/logins"
	"github.com/sealift/sealift/image/oci/registry"
)

// Flags are those of every command that reaches registries.
type Flags struct {
	authFile, user, password, daemon string
	plainHTTP                        hosts
	ask                              bool // for user and password
}

// Add adds the flags.
func (f *Flags) Add(flags *pflag.FlagSet) {
	f.AddRegistry(flags)
	f.AddCredentials(flags)
	flags.StringVar(&f.daemon, "docker-host", "", "`address` of the Docker daemon, unix://PATH or tcp://HOST:PORT")
	ui.Bind(flags, "docker-host", "DOCKER_HOST")
}

// AddCredentials adds the flags that say who the user is.
func (f *Flags) AddCredentials(flags *pflag.FlagSet) {
	flags.StringVar(&f.user, "docker-username", "", "user name for the registry")
	ui.Bind(flags, "docker-username", "DOCKER_USERNAME")
	flags.StringVar(&f.password, "docker-password", "", "password for the registry; the variable is safer")
	ui.Bind(flags, "docker-password", "DOCKER_PASSWORD")
}

// AddLogin adds the flag that has user and password asked for.
func (f *Flags) AddLogin(flags *pflag.FlagSet) {
	flags.BoolVar(&f.ask, "docker-login", false, "ask for user name and password of the registry")
	ui.Bind(flags, "docker-login", "DOCKER_LOGIN")
}

// Login asks for user and password where the flag of AddLogin wants it. It comes
// before Client.
func (f *Flags) Login(ctx context.Context, p *ui.Process) (err error) {
	if !f.ask {
		return nil
	}
	if f.user, err = p.Ask(ctx, "User name: "); err == nil {
		f.password, err = p.AskHidden(ctx, "Password: ")
	}
	if err == nil && (f.user == "" || f.password == "") {
		err = hint.New("--docker-login: the user name or the password is empty", "type both, or use 'sealift registry login'")
	}
	f.ask = false
	return err
}

// AddRegistry adds those flags that are about registries, not images.
func (f *Flags) AddRegistry(flags *pflag.FlagSet) {
	f.AddAuthFile(flags)
	flags.Var(&f.plainHTTP, "no-https", "speak to registries without TLS, or to those of `HOSTS` only: --no-https=HOST[:PORT],…")
	ui.Bind(flags, "no-https", "NOHTTPS", "NO_HTTPS")
	flags.Var(&f.plainHTTP, "nohttps", "the same")
	flags.Lookup("nohttps").Hidden = true
	for _, name := range []string{"no-https", "nohttps"} {
		flags.Lookup(name).NoOptDefVal = "true"
	}
}

// AddAuthFile adds the flag that names the file of logins.
func (f *Flags) AddAuthFile(flags *pflag.FlagSet) {
	flags.StringVar(&f.authFile, "authfile", "", "keep logins of registries in `FILE`, as docker login does")
	ui.Bind(flags, "authfile", "AUTHFILE", "AUTH_FILE")
}

// Client returns a client of registries. It reads nothing before it is used.
func (f *Flags) Client(p *ui.Process) *registry.Client {
	rules := rules(p)
	return registry.New(registry.Options{
		Credentials: logins.Find(f.Files(p)),
		Own:         registry.Credentials{Username: f.user, Password: f.password},
		Mirrors:     rules,
		PlainHTTP:   f.Plain,
		Transport:   conn.NewTransport(http.ProxyFromEnvironment, trust(p, rules)),
		Unverified:  conn.NewTransport(http.ProxyFromEnvironment, conn.AnyCertificate()),
		UserAgent:   "sealift/" + buildcfg.Version,
		Warn:        func(line string) { p.Warn("%s", line) },
	})
}

// Plain tells whether a host is spoken to without TLS.
func (f *Flags) Plain(host string) bool { return f.plainHTTP.has(host) }

// Daemon returns the address of the Docker daemon, empty for the usual one.
func (f *Flags) Daemon(p *ui.Process) string {
	if f.daemon == "" {
		return p.Variable("DOCKER_HOST")
	}
	return f.daemon
}

// place is a file in a directory that a variable names, with what is between.
type place struct{ variable, name string }

// Where logins are: those of Apptainer and of Docker
// (docs.docker.com/reference/cli/docker/login) are also written, by whichever
// there is, as Apptainer does it; those of Podman (containers-auth.json(5)) are
// read only.
var (
	written = []place{
		{"REGISTRY_AUTH_FILE", ""},
		{"APPTAINER_CONFIGDIR", "docker-config.json"}, {"HOME", ".apptainer/docker-config.json"},
		{"DOCKER_CONFIG", "config.json"}, {"HOME", ".docker/config.json"},
	}
	readOnly = []place{{"XDG_RUNTIME_DIR", "containers/auth.json"}, {"HOME", ".config/containers/auth.json"}}
)

// paths returns those places whose variables are set.
func paths(p *ui.Process, places []place) (files []string) {
	for _, place := range places {
		if dir := p.Variable(place.variable); dir != "" {
			files = append(files, filepath.Join(dir, place.name))
		}
	}
	return files
}

// Files are where logins are read, the first one first: what the flag names, or
// else all places.
func (f *Flags) Files(p *ui.Process) []string {
	if f.authFile != "" {
		return []string{f.authFile}
	}
	return append(paths(p, written), paths(p, readOnly)...)
}

// File is where a login is written: the first file that is read of those that
// exist, or Docker's, which Apptainer reads as long as it has none of its own.
// It is empty where no variable names a place.
func (f *Flags) File(p *ui.Process) string {
	if f.authFile != "" {
		return f.authFile
	}
	if named := p.Variable("REGISTRY_AUTH_FILE"); named != "" {
		return named
	}
	files := paths(p, written)
	for _, path := range files {
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	for _, place := range written[len(written)-2:] {
		if dir := p.Variable(place.variable); dir != "" {
			return filepath.Join(dir, place.name)
		}
	}
	return ""
}
