package remotes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/conn"
	"github.com/sealift/sealift/image/oci/mirrors"
)

// rulesFile is the name of the site's and of the user's rules.
const rulesFile = "registries.conf"

// rules returns what reads the rules of where images are asked for, once.
func rules(p *ui.Process) func() (*mirrors.Rules, error) {
	return sync.OnceValues(func() (*mirrors.Rules, error) {
		return merged(filepath.Join(buildcfg.SysconfDir, rulesFile), p.UserConfig(rulesFile))
	})
}

// merged reads the rules of a site and of a user, whose path may be empty.
func merged(site, user string) (*mirrors.Rules, error) {
	above, err := readRules(site)
	if err != nil {
		return nil, err
	}
	own, err := readRules(user)
	return mirrors.Merge(above, own), err
}

// readRules reads a file; one that is missing has no rules.
func readRules(path string) (*mirrors.File, error) {
	text, err := os.ReadFile(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return mirrors.Parse(path, text)
}

// trust is whom connections trust: what the rules say, and the directories of
// containers-certs.d(5) and of Docker.
func trust(p *ui.Process, rules func() (*mirrors.Rules, error)) *conn.TLS {
	dirs := []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}
	if home := p.Variable("HOME"); home != "" {
		dirs = append([]string{filepath.Join(home, ".config/containers/certs.d")}, dirs...)
	}
	return conn.TrustHosts(dirs, func(host string) ([]string, error) {
		r, err := rules()
		return r.Roots(host), err
	})
}

// hosts is a flag that is on for all hosts, or for some: a boolean, or host[:port]
// between commas.
type hosts struct {
	all  bool
	list []string
}

// Set is pflag.Value's.
func (h *hosts) Set(text string) error {
	all, err := strconv.ParseBool(text)
	if err == nil {
		*h = hosts{all: all}
		return nil
	}
	*h = hosts{}
	for host := range strings.SplitSeq(text, ",") {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return errors.New("it is neither true nor false nor HOST[:PORT],…")
		}
		h.list = append(h.list, strings.ToLower(host))
	}
	return nil
}

// String is pflag.Value's.
func (h *hosts) String() string {
	if len(h.list) > 0 {
		return strings.Join(h.list, ",")
	}
	return strconv.FormatBool(h.all)
}

// Type is pflag.Value's.
func (*hosts) Type() string { return "hosts" }

// has says whether the flag is on for a host[:port].
func (h *hosts) has(host string) bool {
	if h.all {
		return true
	}
	for _, name := range h.list {
		if name == strings.ToLower(host) || name == "docker.io" && host == "index.docker.io" {
			return true
		}
	}
	return false
}
