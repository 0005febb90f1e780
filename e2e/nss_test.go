package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNameService: accounts that only a name service knows, here that of Debian's
// libnss-extrausers in the place of LDAP or sssd, are known in containers.
func TestNameService(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can set up a name service")
	}
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	nsswitch := filepath.Join(dir, "nsswitch.conf")
	if err := os.WriteFile(nsswitch, []byte("passwd: files extrausers\ngroup: files extrausers\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := `set -e
mount --bind ` + nsswitch + ` /etc/nsswitch.conf
mount -t tmpfs tmpfs /var/lib/extrausers
echo 'ada:x:4242:4242:Ada:/tmp:/bin/bash' > /var/lib/extrausers/passwd
printf '%s\n' 'ada:x:4242:' 'physics:x:4243:ada' 'other:x:4245:' > /var/lib/extrausers/group
exec setpriv --reuid 4242 --regid 4242 --groups 4243,4244 --inh-caps=-all env -i PATH=/bin "$@"`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", sealift, "exec", "--no-home", image,
		"sh", "-c", "id -un; echo $HOME; id -gn; id ada; tail -n 3 /etc/group")
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		if _, missing := os.Stat("/var/lib/extrausers"); missing != nil && os.Getenv("CI") != "true" {
			t.Skip("libnss-extrausers is not installed")
		}
		t.Fatal(err, string(out))
	}
	for _, want := range []string{"ada\n/tmp\nada\n", "4243(physics)", "physics:x:4243:ada\n", "ada:x:4242:ada\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "other") {
		t.Errorf("a group of others is shown:\n%s", out)
	}
}
