package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/messages"
	"github.com/sealift/sealift/e2e/slurm"
)

// TestReadmeJob does what the README says under "From nothing to a job", but for installing,
// which TestInstall and TestPackages do: as it is written there, by the test user, on a
// cluster. Docker Hub is a registry of this machine.
func TestReadmeJob(t *testing.T) {
	env := images(t)
	if env["DEBIAN"] == "" {
		apart.Skip(t, "needs the Debian fixture")
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## From nothing to a job")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	if !found || len(blocks) != 2 || !strings.Contains(blocks[0][1], "install") {
		t.Fatalf("the README has no such section of two blocks, which install and use Sealift: %q", section)
	}
	root := os.Getuid() == 0
	s := slurmStepsOn(t, slurm.Options{Groups: root, Apart: !root})
	conf := filepath.Join(s.dir, "registries.conf")
	rules := "[[registry]]\nprefix = \"docker.io/library\"\nlocation = \"" + startRegistry(t, map[string]string{"debian:12": env["DEBIAN"]}) + "\"\n"
	home := filepath.Join(s.dir, "home")
	if err := errors.Join(os.WriteFile(conf, []byte(rules), 0o644), os.Mkdir(home, 0o755)); err != nil {
		t.Fatal(err)
	}
	if root {
		if err := os.Chown(home, testUID, testUID); err != nil {
			t.Fatal(err)
		}
	}
	cmd := s.command("sh", "-euc", blocks[1][1])
	cmd.Dir = home
	cmd.Env = append(cmd.Env, "HOME="+home, "SEALIFT_CONFIGDIR="+s.dir, "PATH="+filepath.Dir(s.sealift)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for task := range 2 {
		want := "(?m)^task " + strconv.Itoa(task) + " of 2: built by root, which is user " + strconv.Itoa(jobUser()) + " outside$"
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
	if !strings.Contains(string(out), "Objects verified") {
		t.Errorf("nothing was verified:\n%s", out)
	}
}

// jobUser is who runs jobs.
func jobUser() int {
	if os.Getuid() == 0 {
		return testUID
	}
	return os.Getuid()
}

// TestTroubleshooting holds the page of messages to the sources; E2E_UPDATE=1 writes it.
func TestTroubleshooting(t *testing.T) {
	const path = "../examples/troubleshooting.md"
	found, err := messages.Find("..", "cmd", "image", "runtime", "gpu", "starter")
	if err != nil {
		t.Fatal(err)
	}
	page := messages.Page(troubleshooting, found)
	if os.Getenv("E2E_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != page {
		t.Errorf("%s is not what the sources say (%v): E2E_UPDATE=1 go test ./e2e -run TestTroubleshooting", path, err)
	}
}

const troubleshooting = `# Messages and remedies

What Sealift says to do is printed as a hint below the error. These are the hints whose messages the sources spell: an
ellipsis stands for what only the error itself can tell, and errors of the kernel while a container is made have more. Where a container does not start, ` + "`sealift doctor`" + ` says more.
`
