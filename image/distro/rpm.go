package distro

import (
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// rpmMacros writes settings for rpm(8) where the host keeps its database in the
// user's home directory, as Debian does: in the new root it belongs in its usual
// place.
func (p *planner) rpmMacros() {
	for line := range strings.Lines(p.read("/usr/lib/rpm/macros")) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "%_dbpath" {
			continue
		}
		if place := strings.Join(f[1:], " "); strings.Contains(place, "~") || strings.Contains(place, "HOME") {
			p.file(".rpmmacros", "%_dbpath /var/lib/rpm\n")
		}
		return
	}
}

// dnf makes a system of Fedora's family.
func (p *planner) dnf() error {
	version := p.optional("OSVersion")
	if _, err := p.keyword("MirrorURL"); err != nil {
		return err
	}
	mirror, err := p.url("MirrorURL", version)
	if err != nil {
		return err
	}
	update, err := p.url("UpdateURL", version)
	if err != nil {
		return err
	}
	key, err := p.gpgKey()
	if err != nil {
		return err
	}
	packages := append([]string{"/etc/redhat-release", "coreutils"}, p.include()...)
	if err := words("OSVersion, Setopt or Include", append(packages, version, p.optional("Setopt"))...); err != nil {
		return err
	}
	tool, err := p.need("dnf", "yum")
	if err != nil {
		return err
	}
	p.rpmMacros()
	config := p.file("dnf.conf", p.dnfConfig(mirror, update, key))
	args := []string{tool, "-c", config, "--installroot", p.Root}
	if version != "" {
		args = append(args, "--releasever="+version)
	}
	args = append(args, "-y")
	if s := p.optional("Setopt"); s != "" {
		args = append(args, "--setopt", s)
	}
	p.makeDevices()
	p.run(append(append(args, "install"), packages...)...)
	p.run("rm", "-rf", p.in(dnfCache))
	args = []string{"rm", "-f"}
	for _, log := range []string{"dnf.log", "dnf.librepo.log", "dnf.rpm.log", "dnf5.log", "hawkey.log", "yum.log"} {
		args = append(args, p.in("var/log/"+log))
	}
	p.run(args...)
	return nil
}

// dnfCache is a directory of the new root.
const dnfCache = "var/cache/dnf-bootstrap"

// dnfConfig is dnf.conf(5), which yum reads as well. The host's own repositories
// and plugins have no say.
func (p *planner) dnfConfig(mirror, update, key string) string {
	var s strings.Builder
	check := "gpgcheck=0\n"
	if key != "" {
		check = "gpgcheck=1\ngpgkey=" + key + "\n"
	}
	fmt.Fprintf(&s, "[main]\ncachedir=/%s\nkeepcache=0\nplugins=0\nreposdir=%s\n%s", dnfCache, path.Join(p.Dir, "no-repositories"), check)
	fmt.Fprintf(&s, "\n[base]\nname=base\nbaseurl=%s\nenabled=1\n%s", mirror, check)
	if update != "" {
		fmt.Fprintf(&s, "\n[updates]\nname=updates\nbaseurl=%s\nenabled=1\n%s", update, check)
	}
	return s.String()
}

// gpgKey returns the address of the key that packages must be signed with, or
// nothing.
func (p *planner) gpgKey() (string, error) {
	key := p.getenv("GPG")
	switch {
	case key == "":
		p.note("signatures of packages are not checked: set GPG to the address of the distribution's key")
	case strings.ContainsAny(key, " \t\n") || !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "file:///"):
		return "", hint.New(fmt.Sprintf("GPG=%s is no safe place of a key", key), "give an address that starts with https:// or file:///")
	}
	return key, nil
}
