package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// TestStarterAloneT98 runs the starter as nobody should: it does nothing, and fails
// with 125.
func TestStarterAloneT98(t *testing.T) {
	asUser(t, "^TestStarterAloneT98$")
	sealift, _ := busyboxImage(t)
	victim := filepath.Join(t.TempDir(), "victim")
	mkdir := "sealift-plan\x001\x00clone\x000\x00mkdir\x002\x00" + victim + "\x00755\x00exec\x001\x00/bin/true\x00end\x000\x00"
	for name, c := range map[string]struct {
		args []string
		plan string // on a pipe that is descriptor 3, with a socket as 4
	}{
		"nothing":             {nil, ""},
		"words":               {[]string{"plan", "report"}, ""},
		"closed descriptors":  {[]string{"30", "40"}, ""},
		"the standard ones":   {[]string{"0", "1"}, ""},
		"one for both":        {[]string{"3", "3"}, ""},
		"negative":            {[]string{"-3", "4"}, ""},
		"a pipe as a socket":  {[]string{"3", "3"}, mkdir},
		"too many":            {[]string{"3", "4", "5"}, mkdir},
		"garbage":             {[]string{"3", "4"}, "\x7fELF\x00\x00"},
		"an empty plan":       {[]string{"3", "4"}, ""},
		"half a plan":         {[]string{"3", "4"}, mkdir[:len(mkdir)/2]},
		"no session":          {[]string{"3", "4"}, mkdir},
		"an unknown verb":     {[]string{"3", "4"}, strings.Replace(mkdir, "mkdir", "rmdir", 1)},
		"a host path":         {[]string{"3", "4"}, strings.Replace(mkdir, victim, "../../.."+victim, 1)},
		"a plan that goes on": {[]string{"3", "4"}, mkdir + "x"},
		"an endless count":    {[]string{"3", "4"}, "sealift-plan\x001\x00clone\x00999999999999\x00"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		theirs := os.NewFile(uintptr(pair[1]), "report")
		cmd := exec.Command(sealift+"-starter", c.args...)
		cmd.Env, cmd.Dir = []string{"GODEBUG=nonsense", "PATH=/no/such"}, "/"
		cmd.ExtraFiles = []*os.File{r, theirs}
		go func() {
			w.WriteString(c.plan)
			w.Close()
		}()
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 125 || strings.Contains(string(out), "goroutine") {
			t.Errorf("%s: %v, %s", name, cmd.ProcessState, out)
		}
		r.Close()
		theirs.Close()
		unix.Close(pair[0])
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("an operation was done")
	}
}

// TestOddPlacesT99 starts where the working directory is gone or closed, under an
// empty name, and where /proc hides the processes of others.
func TestOddPlacesT99(t *testing.T) {
	asUser(t, "^TestOddPlacesT99$")
	sealift, image := busyboxImage(t)
	for name, script := range map[string]string{
		"gone":   `mkdir d; cd d; rmdir ../d; exec "$0" exec "$1" pwd`,
		"closed": `mkdir d; cd d; chmod 0 .; exec "$0" exec "$1" pwd`,
		"a link": `mkdir d; ln -s d l; cd l; exec "$0" exec "$1" pwd`,
		"deep":   `for i in $(seq 30); do mkdir 1234567890123456789012345678901234567890; cd 1*; done; exec "$0" exec "$1" pwd`,
	} {
		cmd := exec.Command("sh", "-c", script, sealift, image)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "/") {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	for _, name := range []string{"", "/", "-", "\xff"} {
		cmd := exec.Command(sealift, "exec", image, "echo", "alive")
		cmd.Args[0], cmd.Dir = name, "/"
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "alive\n" {
			t.Errorf("called %q: %v, %s", name, err, out)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// A procfs of a PID namespace of its own: the option is of all mounts of one.
	script := `mount -o remount,hidepid=2 proc /proc && exec setpriv --reuid=1501 --regid=1501 --clear-groups "$0" exec "$1" sh -c 'echo alive; ls /proc | grep -c "^[0-9]"'`
	cmd := exec.Command("unshare", "-mpf", "--mount-proc", "sh", "-c", script, sealift, image)
	cmd.Dir, cmd.Env = "/", []string{"HOME=" + testHome, "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "alive\n") {
		t.Errorf("hidepid=2: %v, %s", err, out)
	}
}

// TestNestedT100 runs containers in containers, Sealift's and others'.
func TestNestedT100(t *testing.T) {
	asUser(t, "^TestNestedT100$")
	sealift, image := busyboxImage(t)
	if _, err := os.Stat("/usr/bin/bwrap"); err != nil {
		apart.Skip(t, "no bubblewrap")
	}
	binds := filepath.Dir(sealift) + "," + filepath.Dir(image)
	self := []string{sealift, "exec", "--bind", binds, image}
	// As others' containers have it: another root directory, and namespaces.
	box := []string{"bwrap", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--tmpfs", "/var/tmp"}
	last := []string{sealift, "exec", image, "sh", "-c", "id -u; echo alive"}
	chain := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	uid := fmt.Sprint(os.Getuid())
	for name, c := range map[string]struct {
		args []string
		want string // a part of the output
	}{
		"three deep":               {chain(self, self, last), uid + "\nalive\n"},
		"four deep":                {chain(self, self, self, last), uid + "\nalive\n"},
		"contained":                {chain([]string{sealift, "exec", "--containall", "--bind", binds, image}, last), uid + "\nalive\n"},
		"as root in it":            {chain([]string{sealift, "exec", "--fakeroot", "--bind", binds, image}, last), "0\nalive\n"},
		"root in root":             {chain([]string{sealift, "exec", "--fakeroot", "--bind", binds, image}, []string{sealift, "exec", "--fakeroot", image, "sh", "-c", "id -u; echo alive"}), "0\nalive\n"},
		"without a network":        {chain([]string{sealift, "exec", "--network", "none", "--bind", binds, image}, last), uid + "\nalive\n"},
		"none in none":             {chain([]string{sealift, "exec", "--network", "none", "--bind", binds, image}, []string{sealift, "exec", "--network", "none", image, "echo", "alive"}), "alive\n"},
		"filtered":                 {chain([]string{sealift, "exec", "--contain", "--bind", binds, image}, []string{sealift, "exec", "--contain", image, "echo", "alive"}), "alive\n"},
		"bubblewrap":               {chain(box, []string{"--proc", "/proc", "--unshare-pid"}, last), "alive\n"},
		"bubblewrap, all apart":    {chain(box, []string{"--proc", "/proc", "--unshare-all"}, last), "alive\n"},
		"bubblewrap, host's /proc": {chain(box, []string{"--bind", "/proc", "/proc"}, last), "alive\n"},
		"bubblewrap, no /proc":     {chain(box, []string{"--tmpfs", "/proc"}, last), "hint: mount proc on /proc"},
		"bubblewrap, masked":       {chain(box, []string{"--proc", "/proc", "--unshare-pid", "--tmpfs", "/proc/acpi"}, last), ""},
		"a network namespace":      {chain([]string{"unshare", "-Urn"}, last), "alive\n"},
		"a user namespace":         {chain([]string{"unshare", "-Ur"}, last), "0\nalive\n"},
		"no capabilities":          {chain([]string{"unshare", "-Ur", "setpriv", "--bounding-set=-all", "--inh-caps=-all"}, last), "root without CAP_SETFCAP"},
		"root in a user namespace": {chain([]string{"unshare", "-Ur"}, []string{sealift, "exec", "--userns", image, "sh", "-c", "id -u; echo alive"}), "0\nalive\n"},
		"another id":               {chain([]string{"unshare", "--map-user=4242", "--map-group=4242", "-U"}, last), "4242\nalive\n"},
		"no mapping":               {chain([]string{"unshare", "-U"}, last), "hint: "},
	} {
		cmd := exec.Command(c.args[0], c.args[1:]...)
		cmd.Dir = "/"
		out, _ := cmd.CombinedOutput()
		alive := strings.Contains(string(out), "alive\n")
		if !strings.Contains(string(out), c.want) || alive != (cmd.ProcessState.ExitCode() == 0) || strings.Contains(string(out), "goroutine ") {
			t.Errorf("%s: %v\n%s", name, cmd.ProcessState, out)
		}
		if !alive && strings.Count(string(out), "sealift: error: ") != 1 {
			t.Errorf("%s: not one error: %s", name, out)
		}
	}
	if os.Geteuid() == 0 {
		cmd := exec.Command("setpriv", append([]string{"--bounding-set=-all", "--inh-caps=-all"}, last...)...)
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		if alive := strings.Contains(string(out), "0\nalive\n"); alive != (err == nil) || !alive && !strings.Contains(string(out), "CAP_SETFCAP") {
			t.Errorf("root without capabilities: %v, %s", err, out)
		}
	}
}
