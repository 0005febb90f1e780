package distro

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// debianArchs are Debian's names of architectures.
var debianArchs = map[string]string{
	"386": "i386", "amd64": "amd64", "arm": "armhf", "arm64": "arm64", "loong64": "loong64", "mips64le": "mips64el",
	"mipsle": "mipsel", "ppc64le": "ppc64el", "riscv64": "riscv64", "s390x": "s390x",
}

// excluded are packages of the minimal set of some releases that a container has
// no use for. Apptainer leaves out the same.
const excluded = "openssl,udev,debconf-i18n,e2fsprogs"

// debootstrap makes a system of Debian's family: the same with either tool, as
// far as they can. debootstrap(8) is preferred: all distributions have it, and
// it makes the same on all of them. mmdebstrap(1), which is faster, needs apt.
func (p *planner) debootstrap() error {
	suite, err := p.keyword("OSVersion")
	if err != nil {
		return err
	}
	mirror, err := p.url("MirrorURL", suite)
	if err != nil {
		return err
	}
	arch, ok := debianArchs[p.Arch]
	if !ok {
		return hint.New(fmt.Sprintf("Debian has no port to %s", p.Arch), "build on another machine")
	}
	if err := words("OSVersion or Include", append(p.include(), suite)...); err != nil {
		return err
	}
	source := aptSource{uri: mirror, suite: suite}
	if mirror == "" {
		source = p.hostSource(suite)
	}
	tool, err := p.need("debootstrap", "mmdebstrap")
	if err != nil {
		return err
	}
	include := strings.Join(append([]string{"apt"}, without(p.include(), "apt")...), ",")
	if path.Base(tool) == "mmdebstrap" {
		p.mmdebstrap(tool, arch, include, source)
	} else {
		p.runDebootstrap(tool, arch, include, source)
	}
	// What tells one run from another is of no use in an image.
	p.run("find", p.in("var/cache/apt/archives"), "-name", "*.deb", "-delete")
	p.run("rm", "-f", p.in("var/cache/ldconfig/aux-cache"), p.in("var/log/bootstrap.log"), p.in("var/log/dpkg.log"),
		p.in("var/log/alternatives.log"))
	return nil
}

// runDebootstrap has no mirror on the command line where none is known: the
// tool knows one for each release.
func (p *planner) runDebootstrap(tool, arch, include string, s aptSource) {
	args := []string{tool, "--variant=minbase", "--arch=" + arch, "--include=" + include, "--exclude=" + excluded}
	// gpgv(1) reads no armored keys.
	if s.keyring != "" && p.exists(s.keyring) && path.Ext(s.keyring) != ".asc" {
		args = append(args, "--keyring="+s.keyring)
	}
	args = append(args, s.suite, p.Root)
	if s.uri != "" {
		args = append(args, s.uri)
	}
	p.run(args...)
}

// mergedUsr is where mmdebstrap keeps what makes /bin a link where the release
// wants it, without the package that converts a system, which needs all of perl.
const mergedUsr = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"

// mmdebstrap is kept from mounting devpts with a group that the namespace lacks.
// Its mode root is what makes use of the emulation.
func (p *planner) mmdebstrap(tool, arch, include string, s aptSource) {
	args := []string{
		tool, "--mode=root", "--format=directory", "--variant=minbase", "--skip=chroot/mount/dev", "--architectures=" + arch,
		"--include=" + include,
	}
	if s.keyring != "" && p.exists(s.keyring) {
		args = append(args, "--keyring="+s.keyring)
	}
	if p.exists(mergedUsr) {
		args = append(args, "--hook-dir="+mergedUsr)
	}
	args = append(args, s.suite, p.Root)
	if s.uri != "" {
		args = append(args, s.uri)
	}
	p.run(args...)
}

// hostSource returns where the host gets this suite from, or a source without a
// URI.
func (p *planner) hostSource(suite string) aptSource {
	for _, s := range p.aptSources() {
		scheme, _, _ := strings.Cut(s.uri, "://")
		if s.suite == suite && isDistribution(s.uri) && slices.Contains([]string{"http", "https", "file"}, scheme) {
			p.note("MirrorURL is not given: packages come from %s, as this machine's own", withoutUser(s.uri))
			return s
		}
	}
	p.note("MirrorURL is not given, and this machine has no source for %s: packages come from the distribution's own mirror", suite)
	return aptSource{suite: suite}
}

// isDistribution tells a mirror of a whole distribution by its last directory
// from what others offer for a release of it.
func isDistribution(uri string) bool {
	name := path.Base(strings.TrimRight(uri, "/"))
	return strings.HasPrefix(name, "debian") || strings.HasPrefix(name, "ubuntu") || name == "raspbian" || name == "devuan"
}

// withoutUser returns a URL without credentials.
func withoutUser(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a mirror"
	}
	u.User = nil
	return u.String()
}

// without returns names less one.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}
