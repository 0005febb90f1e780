package distro

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// sccCredentials is there on a host that is registered with the SUSE Customer
// Center.
const sccCredentials = "/etc/zypp/credentials.d/SCCcredentials" // #nosec G101 -- where they are, not what they are

// failedScripts is the exit status of zypper(8) for an installation in which
// only scripts of packages failed.
const failedScripts = 107

// suse is a system to be made by zypper(8).
type suse struct {
	*planner
	zypper                  string
	version, mirror, update string
	packages                []string
	product                 *suseProduct
	// registered has the host's own repositories and registration used.
	registered bool
}

// zypper makes a system of SUSE's family: of openSUSE from mirrors, of SUSE
// Linux Enterprise by a registration.
func (p *planner) zypper() error {
	s := &suse{planner: p, packages: append([]string{"aaa_base"}, without(p.include(), "aaa_base")...)}
	var err error
	if s.version = p.optional("OSVersion"); s.version == "" {
		s.version = p.hostVersion()
	}
	if s.product, err = p.product(); err != nil {
		return err
	}
	asked := p.optional("OSVersion")
	if s.product != nil {
		asked = s.product.urlVersion
	}
	if s.mirror, err = p.url("MirrorURL", asked); err != nil {
		return err
	}
	if s.update, err = p.url("UpdateURL", asked); err != nil {
		return err
	}
	if err := s.choose(); err != nil {
		return err
	}
	if err := words("OSVersion or Include", append(s.packages, s.version)...); err != nil {
		return err
	}
	if s.zypper, err = p.need("zypper"); err != nil {
		return err
	}
	p.rpmMacros()
	p.makeDevices()
	return s.commands()
}

// choose settles where packages come from.
func (s *suse) choose() error {
	switch {
	case s.product != nil:
		s.packages = append(s.packages, "SUSEConnect")
	case s.mirror != "":
	case s.exists(sccCredentials):
		s.registered = true
		s.packages = append(s.packages, "container-suseconnect", "zypper")
	default:
		_, err := s.keyword("MirrorURL")
		return err
	}
	return nil
}

func (s *suse) commands() error {
	if s.mirror != "" {
		s.repository(s.mirror, "repo", false)
	}
	if s.update != "" {
		s.repository(s.update, "update", true)
	}
	if err := s.importKey(); err != nil {
		return err
	}
	if err := s.register(); err != nil {
		return err
	}
	others, err := s.otherURLs()
	if err != nil {
		return err
	}
	for i, url := range others {
		s.repository(url, "repo-"+strconv.Itoa(i), true)
	}
	args := []string{s.zypper, "--non-interactive"}
	if s.registered {
		args = append(args, "--installroot", s.Root)
	} else {
		args = append(args, "--root", s.Root)
		if s.version != "" {
			args = append(args, "--releasever="+s.version)
		}
	}
	args = append(args, "install", "--auto-agree-with-licenses", "--download-in-advance")
	s.out.Commands = append(s.out.Commands, Command{append(args, s.packages...), failedScripts})
	s.run("rm", "-rf", s.in("var/cache/zypp"))
	return nil
}

// repository adds a repository and trusts its keys: nobody can be asked.
func (s *suse) repository(url, name string, refresh bool) {
	add := []string{s.zypper, "--non-interactive", "--root", s.Root, "ar"}
	if refresh {
		add = append(add, "-f")
	}
	s.run(append(add, url, name)...)
	s.run(s.zypper, "--non-interactive", "--root", s.Root, "--gpg-auto-import-keys", "refresh", "-r", name)
}

// otherURLs returns the values of OtherURL0, or OtherURL1, and those that follow
// without a gap.
func (s *suse) otherURLs() ([]string, error) {
	var urls []string
	n := 0
	if s.optional("OtherURL0") == "" {
		n = 1
	}
	for {
		name := "OtherURL" + strconv.Itoa(n)
		url, err := s.url(name, s.version)
		if err != nil || url == "" {
			return urls, err
		}
		urls = append(urls, url)
		n++
	}
}

// importKey has rpm trust the key of ProductPGP.
func (s *suse) importKey() error {
	key := s.optional("ProductPGP")
	if key == "" {
		return nil
	}
	rpmkeys, err := s.need("rpmkeys")
	if err != nil {
		return err
	}
	// The database is where the release has it, and the other place is a link.
	place, link, target := "usr/lib/sysimage/rpm", "var/lib/rpm", "../../usr/lib/sysimage/rpm"
	if s.product != nil && s.product.major == 12 {
		place, link, target = "var/lib/rpm", "usr/lib/sysimage/rpm", "../../../var/lib/rpm"
	}
	s.run("mkdir", "-p", s.in(place), s.in(path.Dir(link)))
	s.run("rm", "-rf", s.in(link))
	s.run("ln", "-s", target, s.in(link))
	s.run(rpmkeys, "--root", s.Root, "--import", s.file("product.asc", key+"\n"))
	return nil
}

// register registers the new system, and then its modules.
func (s *suse) register() error {
	if s.product == nil {
		return nil
	}
	connect, err := s.need("SUSEConnect")
	if err != nil {
		return err
	}
	args := []string{connect, "--root", s.Root, "--product", s.product.name, "--email", s.product.user, "--regcode", s.product.code}
	if url := s.optional("RegisterURL"); url != "" {
		if err := s.checkURL("RegisterURL", url); err != nil {
			return err
		}
		args = append(args, "--url", url)
	}
	s.run(args...)
	for module := range strings.SplitSeq(s.optional("Modules"), ",") {
		if module = strings.TrimSpace(module); module != "" {
			s.run(connect, "--root", s.Root, "--product", module+"/"+s.product.moduleVersion)
		}
	}
	return nil
}

// hostVersion is the version of a host of the same family, for whoever builds
// the same again.
func (p *planner) hostVersion() string {
	release := parseRelease(p.read("/etc/os-release"))
	if strings.Contains(release["ID"]+" "+release["ID_LIKE"], "suse") {
		return release["VERSION_ID"]
	}
	return ""
}

// suseProduct is a product of SUSE Linux Enterprise.
type suseProduct struct {
	name, user, code string
	// major is that of OSVersion; urlVersion is what %{OSVERSION} stands for:
	// no service pack is not 0.
	major      int
	urlVersion string
	// moduleVersion is VERSION/MACHINE.
	moduleVersion string
}

// machines are the names of architectures that uname(1) prints.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

// product returns the product to register, or nil.
func (p *planner) product() (*suseProduct, error) {
	names := []string{"Product", "User", "RegCode"}
	values := make([]string, len(names))
	given := 0
	for i, name := range names {
		if values[i] = p.optional(name); values[i] != "" {
			given++
		}
	}
	if given == 0 {
		return nil, nil
	}
	for _, name := range append(names, "OSVersion") {
		if _, err := p.keyword(name); err != nil {
			return nil, err
		}
	}
	if err := words("Product, User or RegCode", values...); err != nil {
		return nil, err
	}
	if p.optional("ProductPGP") == "" && p.optional("MirrorURL") == "" {
		_, err := p.keyword("ProductPGP")
		return nil, err
	}
	version := p.optional("OSVersion")
	majorText, minor, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(majorText)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("OSVersion %q has no number: %w", version, err), "write OSVersion: MAJOR.SERVICEPACK")
	}
	if major > 12 {
		if _, err := p.keyword("MirrorURL"); err != nil {
			return nil, err // the installer's medium
		}
	}
	s := &suseProduct{user: values[1], code: values[2], major: major, urlVersion: majorText}
	if minor != "" && minor != "0" {
		s.urlVersion += "." + minor
	}
	return s, s.setName(values[0], version, machines[p.Arch])
}

// setName completes NAME, NAME/VERSION or NAME/VERSION/MACHINE.
func (s *suseProduct) setName(product, version, machine string) error {
	parts := strings.Split(osVersion().ReplaceAllLiteralString(product, s.urlVersion), "/")
	switch len(parts) {
	case 1:
		parts = append(parts, version, machine)
	case 2:
		parts = append(parts, machine)
	case 3:
	default:
		return hint.New(fmt.Sprintf("Product %q has too many parts", product), "write Product: NAME/VERSION/MACHINE")
	}
	s.name = strings.Join(parts, "/")
	s.moduleVersion = version + "/" + parts[2]
	return nil
}
