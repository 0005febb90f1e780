package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/tree"
)

// aptList are packages whose installation takes the most of root: users, files
// given away, set-group-ID directories, file capabilities, devices, a database
// that is set up by its own user.
const aptList = "openssh-client openssh-server systemd chrony python3-scipy iputils-ping libcap2-bin postgresql"

const aptDefinition = `Bootstrap: oci
From: debian:latest

%%post
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io %s
    test -d /var/lib/postgresql/15/main/base
    mknod /opt/zero c 1 5
`

// TestAptList installs packages as real root and as an ordinary user with one
// id, and compares what the images hold.
func TestAptList(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be real root; the run as root has this test")
	}
	paths := images(t)
	debian, images := paths["DEBIAN"], filepath.Join(paths["STAGE"], "images")
	if debian == "" {
		t.Skip("needs the Debian fixture")
	}
	apt := startAptCache(t)
	var trees []*tree.Node
	for _, id := range []uint32{0, testUID} {
		dir := filepath.Join(images, fmt.Sprint("apt-", id))
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(debian, dir+"/debian"), os.Chown(dir, int(id), int(id))); err != nil {
			t.Fatal(err)
		}
		write(t, dir+"/apt.def", fmt.Sprintf(aptDefinition, aptList))
		runAs(t, id, dir, []string{"http_proxy=" + apt}, "build", "--disable-cache", "--no-https", "apt.sif", "apt.def")
		f, err := image.Open(dir+"/apt.sif", image.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		root, err := f.Tree(t.Context(), sandbox.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, root)
	}
	real, user := describe(trees[0]), describe(trees[1])
	count := 0
	for _, name := range names(real, user) {
		if count++; real[name] != user[name] {
			t.Errorf("%s\n\troot %s\n\tuser %s", name, real[name], user[name])
		}
	}
	t.Logf("%d names compared", count)
	// The comparison is worth nothing if what is special is not there.
	for name, want := range map[string]string{
		"usr/bin/ssh-agent":           "102755 0:102",
		"var/lib/postgresql/15/main":  "40700",
		"opt/zero":                    "20644 0:0 rdev 1:5",
		"etc/ssh/ssh_host_rsa_key":    "100600 0:0",
		"var/lib/chrony":              "40750",
		"usr/bin/ping":                "security.capability",
		"etc/gshadow":                 "100640 0:42",
		"var/log/postgresql":          "41775 0:",
		"usr/lib/postgresql/15/bin":   "40755 0:0",
		"etc/postgresql/15/main":      "40755",
		"usr/share/postgresql-common": "40755 0:0",
	} {
		if got := user[name]; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// runAs runs sealift as a user in a directory that is the user's home.
func runAs(t *testing.T, id uint32, dir string, environ []string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(images(t)["STAGE"], "bin/sealift"), args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "HOME="+dir), environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as user %d: %v\n%s", id, err, out)
	}
}

// passing are names that no two runs of the same installation have alike: of
// temporary files, and of what a database counts.
var passing = regexp.MustCompile(`^(tmp|var/tmp|var/cache|var/log/(apt|dpkg)|var/lib/postgresql/15/main/(pg_wal|base/[0-9]+/[0-9]+_|pg_stat|pg_xact))`)

// describe returns mode, owner, device and attributes of all files, by name.
func describe(root *tree.Node) map[string]string {
	all := map[string]string{}
	for name, n := range root.Walk() {
		if passing.MatchString(name) {
			continue
		}
		text := fmt.Sprintf("%o %d:%d", n.Mode, n.UID, n.GID)
		if n.Type() == tree.TypeChar || n.Type() == tree.TypeBlock {
			text += fmt.Sprintf(" rdev %d:%d", n.Rdev>>8, n.Rdev&0xff)
		}
		for _, x := range n.Xattrs {
			text += fmt.Sprintf(" %s=%x", x.Name, x.Value)
		}
		all[name] = text
	}
	return all
}

// names returns the names in either, sorted.
func names(a, b map[string]string) []string {
	var list []string
	for name := range a {
		list = append(list, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
