package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstall installs into an empty directory. Sealift is there by its own name and by that in
// the first line of images; by Apptainer's only where they are asked for.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	install := func(args ...string) {
		t.Helper()
		args = append([]string{"-s", "-C", "..", "install", "DESTDIR=" + dir, "PREFIX=/usr"}, args...)
		if out, err := exec.Command("make", args...).CombinedOutput(); err != nil {
			t.Fatalf("make: %v\n%s", err, out)
		}
	}
	files := func(pattern string) string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "usr", pattern))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.Join(names, " "), dir+"/usr/", "")
	}
	install()
	if got := files("bin/*"); got != "bin/run-singularity bin/sealift" {
		t.Error(got)
	}
	// That which asks for GPUs takes a C compiler; Slurm's plugin may be there.
	programs := strings.NewReplacer("libexec/sealift/sealift-gpu-helper ", "", "libexec/sealift/sealift-spank.so ", "").Replace(files("libexec/sealift/*"))
	if got := programs + " " + files("share/*/*/sealift") + " " + files("share/*/*/_sealift") + " " + files("share/*/*/sealift.*"); got !=
		"libexec/sealift/sealift-full libexec/sealift/sealift-hostcmd libexec/sealift/sealift-starter libexec/sealift/sealift-task share/bash-completion/completions/sealift share/zsh/site-functions/_sealift "+
			"share/fish/vendor_completions.d/sealift.fish share/man/man1/sealift.1" {
		t.Error(got)
	}
	install("ALIASES=1")
	if got := files("bin/*"); got != "bin/apptainer bin/run-singularity bin/sealift bin/singularity" {
		t.Error(got)
	}
	if got := files("share/*/*/*singularity*"); strings.Count(got, " ") != 2 {
		t.Error(got)
	}
	for _, name := range []string{"apptainer", "singularity", "run-singularity"} {
		if target, err := os.Readlink(filepath.Join(dir, "usr/bin", name)); target != "sealift" {
			t.Errorf("%s leads to %q: %v", name, target, err)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "usr/bin/singularity"), "--version").CombinedOutput(); !strings.HasPrefix(string(out), "apptainer version ") {
		t.Errorf("%v: %s", err, out)
	}
}
