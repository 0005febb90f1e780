package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
)

// packagesVersion is the version that the packages of the test have.
const packagesVersion = "1.2.3"

// TestPackages installs each kind of package in a Debian system that has nothing else, where an
// ordinary user then builds and starts a container, and what is an example of the site's
// configuration counts. What was installed is removed as a whole.
func TestPackages(t *testing.T) {
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can install packages")
	}
	env := images(t)
	if env["DEBIAN"] == "" || env["BUSYBOX"] == "" {
		apart.Skip(t, "needs the Debian and busybox fixtures")
	}
	for _, program := range []string{"bwrap", "rpm", "dpkg-deb", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			apart.Skip(t, err.Error())
		}
	}
	bin := t.TempDir()
	execute(t, "make", "-s", "-C", "..", "tar", "deb", "rpm", "BIN="+bin, "VERSION="+packagesVersion)
	for format, c := range map[string]struct{ install, remove string }{
		"tar": {"tar -C /usr/local --strip-components 1 -xzf /packages/*.tar.gz && mv /usr/local/etc/sealift /etc/", ""},
		"deb": {"dpkg -i /packages/sealift_*.deb /packages/sealift-gpu-helper_*.deb", "dpkg -P sealift-gpu-helper sealift"},
		"rpm": {"", ""}, // from outside: Debian's systems have no rpm
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "root")
			execute(t, filepath.Join(env["STAGE"], "bin/sealift"), "build", "--sandbox", root, "oci:"+env["DEBIAN"])
			rpm := func(args ...string) {
				if format == "rpm" {
					execute(t, "rpm", append([]string{"--root", root, "--nodeps", "--noplugins"}, args...)...)
				}
			}
			packages, err := filepath.Glob(bin + "/packages/*.rpm")
			if err != nil {
				t.Fatal(err)
			}
			rpm(append([]string{"-i"}, packages...)...)
			inside(t, root, bin+"/packages", env["BUSYBOX"], c.install, useSealift)
			rpm("-e", "sealift-gpu-helper", "sealift")
			if format != "tar" {
				inside(t, root, bin+"/packages", env["BUSYBOX"], c.remove, `find / -xdev -name '*sealift*' ! -path '/var/lib/*' ! -path '/packages/*' ! -path '/home/*' ! -path /etc/sealift ! -path /var/log/dpkg.log >left; ! grep . left`)
			}
		})
	}
}

// useSealift is what somebody does who has just installed it.
const useSealift = `
[ "$(sealift --version)" = "sealift version 1.2.3" ]
sealift doctor >/dev/null
doc=$(echo /usr/share/doc/sealift /usr/local/share/doc/sealift)
for dir in $doc; do [ ! -d $dir ] || doc=$dir; done
useradd -m ann
fails() { if "$@"; then exit 1; fi; }
as() { setpriv --reuid ann --regid ann --clear-groups --inh-caps=-all env -i HOME=/home/ann PATH=$PATH "$@"; }
cd /home/ann
as sealift build busybox.sif oci:/busybox
[ "$(as sealift exec busybox.sif echo started)" = started ]
test -r $doc/../../bash-completion/completions/sealift
cp $doc/site/environment $doc/site/registries.conf /etc/sealift/
fails as sealift exec docker://untrusted.example/x true 2>said
grep 'blocked by /etc/sealift/registries.conf' said
cp $doc/site/trust.toml /etc/sealift/
fails as sealift exec busybox.sif true 2>said
grep 'refused by /etc/sealift/trust.toml: it is not signed' said
rm /etc/sealift/*
as sealift exec busybox.sif true
`

// inside runs a script as root in a system, which has a directory of packages and an image's
// layout as /packages and /busybox.
func inside(t *testing.T, root, packages, busybox string, script ...string) {
	t.Helper()
	for _, dir := range []string{"packages", "busybox"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, "bwrap", "--bind", root, "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--bind", "/sys", "/sys", "--tmpfs", "/run",
		"--ro-bind", packages, "/packages", "--ro-bind", busybox, "/busybox", "--chdir", "/root", "--setenv", "PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"--unshare-pid", "--die-with-parent", "sh", "-exc", strings.Join(script, "\n"))
}

// execute runs a program that must succeed.
func execute(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
