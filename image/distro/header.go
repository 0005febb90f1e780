package distro

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
)

// keyword returns the value of a keyword, which is spelled as in documents, or
// an error that asks for it.
func (p *planner) keyword(name string) (string, error) {
	if v := strings.TrimSpace(p.Keywords[strings.ToLower(name)]); v != "" {
		return v, nil
	}
	return "", hint.New(fmt.Sprintf("agent %s without the header %s", p.Agent, name), "add a line %q to the definition", name+": …")
}

// optional is keyword for one that may be missing.
func (p *planner) optional(name string) string {
	return strings.TrimSpace(p.Keywords[strings.ToLower(name)])
}

// osVersion stands for the value of OSVersion in a URL, in any case.
var osVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)%\{OSVERSION\}`) })

// withVersion returns the value of a keyword, or nothing, with %{OSVERSION}
// replaced by version.
func (p *planner) withVersion(name, version string) (string, error) {
	value := p.optional(name)
	if !osVersion().MatchString(value) {
		return value, nil
	}
	if version == "" {
		return "", hint.New(fmt.Sprintf("%s has %%{OSVERSION}, and there is no header OSVersion", name), "add a line %q to the definition", "OSVersion: …")
	}
	return osVersion().ReplaceAllLiteralString(value, version), nil
}

// url is withVersion for the address of a mirror.
func (p *planner) url(name, version string) (string, error) {
	value, err := p.withVersion(name, version)
	if err != nil || value == "" {
		return "", err
	}
	return value, p.checkURL(name, value)
}

// checkURL refuses what a tool would take for an option or for several words.
func (p *planner) checkURL(name, value string) error {
	if strings.Contains(value, "://") && !strings.ContainsAny(value, " \t\n") && !strings.HasPrefix(value, "-") {
		return nil
	}
	return hint.New(fmt.Sprintf("%s: %q is not a URL", name, value), "give an address that starts with https://, http:// or file://")
}

// words refuses names of packages, versions and the like that a tool would take
// for options.
func words(what string, values ...string) error {
	for _, v := range values {
		if strings.HasPrefix(v, "-") {
			return hint.New(fmt.Sprintf("%s: %q starts with a dash", what, v), "name it without one")
		}
	}
	return nil
}
