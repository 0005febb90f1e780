package distro

import (
	"fmt"
	"path"

	"github.com/sealift/sealift/buildcfg/hint"
)

// archMirror is the distribution's own address for all of the world.
const archMirror = "https://geo.mirror.pkgbuild.com/$repo/os/$arch"

// Files of pacman(8) on the host.
const (
	mirrorList = "/etc/pacman.d/mirrorlist"
	hostKeys   = "/etc/pacman.d/gnupg/pubring.gpg"
)

// pacman makes a system of Arch Linux. It does what pacstrap(8) does, which
// mounts more than a namespace allows.
func (p *planner) pacman() error {
	if p.Arch != "amd64" {
		return hint.New(fmt.Sprintf("Arch Linux has no port to %s", p.Arch), "build on an x86-64 machine")
	}
	packages := p.include()
	if len(packages) == 0 {
		packages = []string{"base"}
	}
	if err := words("Include", packages...); err != nil {
		return err
	}
	tool, err := p.need("pacman")
	if err != nil {
		return err
	}
	config, err := p.pacmanConfig()
	if err != nil {
		return err
	}
	keys, err := p.pacmanKeys()
	if err != nil {
		return err
	}
	p.run("mkdir", "-p", p.in("var/cache/pacman/pkg"), p.in("var/lib/pacman"), p.in("var/log"), p.in("run"), p.in("etc/pacman.d"))
	p.run("mkdir", "-p", "-m", "1777", p.in("tmp"))
	p.run("mkdir", "-p", "-m", "0555", p.in("proc"), p.in("sys"))
	p.makeDevices()
	p.run("ln", "-s", "/proc/self/fd", p.in("dev/fd"))
	p.run("mount", "-t", "proc", "proc", p.in("proc"))
	p.run(append([]string{
		tool, "--root", p.Root, "--config", config, "--gpgdir", keys, "--cachedir", p.in("var/cache/pacman/pkg"),
		"--hookdir", p.in("etc/pacman.d/hooks"), "--noconfirm", "-Sy", "--needed",
	}, packages...)...)
	// The new system checks signatures by keys of its own.
	p.run("chroot", p.Root, "pacman-key", "--init")
	p.run("chroot", p.Root, "pacman-key", "--populate", "archlinux")
	p.run("find", p.in("etc/pacman.d/gnupg"), "-type", "s", "-delete")
	p.run("find", p.in("var/cache/pacman/pkg"), "-type", "f", "-delete")
	p.run("rm", "-f", p.in("var/log/pacman.log"))
	return nil
}

// pacmanConfig returns the path of a pacman.conf(5): that of ConfURL, or one with
// the distribution's usual repositories.
func (p *planner) pacmanConfig() (string, error) {
	url, err := p.url("ConfURL", p.optional("OSVersion"))
	if err != nil {
		return "", err
	}
	if url != "" {
		return p.download("pacman.conf", url), nil
	}
	mirror, err := p.url("MirrorURL", p.optional("OSVersion"))
	if err != nil {
		return "", err
	}
	from := "Server = " + archMirror
	switch {
	case mirror != "":
		from = "Server = " + mirror
	case p.exists(mirrorList):
		from = "Include = " + mirrorList
	}
	text := "[options]\nArchitecture = auto\nSigLevel = Required DatabaseOptional\nLocalFileSigLevel = Optional\n"
	for _, repo := range []string{"core", "extra"} {
		text += "\n[" + repo + "]\n" + from + "\n"
	}
	return p.file("pacman.conf", text), nil
}

// pacmanKeys returns a directory with the keys that packages are signed with:
// the host's own, or one that is made of the distribution's keyring.
func (p *planner) pacmanKeys() (string, error) {
	if p.exists(hostKeys) {
		return path.Dir(hostKeys), nil
	}
	if !p.exists("/usr/share/pacman/keyrings/archlinux.gpg") && !p.exists("/usr/share/keyrings/archlinux.gpg") {
		return "", hint.New("there are no keys of Arch Linux to check packages with", "%s", p.remedy("archlinux-keyring"))
	}
	tool, err := p.need("pacman-key")
	if err != nil {
		return "", err
	}
	dir := path.Join(p.Dir, "gnupg")
	p.run(tool, "--gpgdir", dir, "--init")
	p.run(tool, "--gpgdir", dir, "--populate", "archlinux")
	return dir, nil
}
