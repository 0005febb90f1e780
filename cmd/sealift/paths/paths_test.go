package paths

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
)

func TestIsImage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for source, want := range map[string]bool{
		"oci:dir": true, "docker-archive:x.tar:a:b": true, dir: true, filepath.Join(dir, "missing"): false,
		write("x.def", "Bootstrap: scratch\n"): false, write("a:b.def", "Bootstrap: scratch\n"): false,
		write("x.sqfs", "hsqs...."): true, write("x.simg", "#!/usr/bin/env x\nhsqs"): true, write("x.sif", strings.Repeat("#", 32)+"SIF_MAGIC\x0001"): true,
	} {
		if got := IsImage(source); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
}

func TestLocal(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"oci:1.sif", "example.org_bb:1.sif", "x.sif"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("docker:", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("docker:/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"oci:1.sif": "./oci:1.sif", "example.org_bb:1.sif": "./example.org_bb:1.sif", "./oci:1.sif": "./oci:1.sif", "docker:": "./docker:",
		"docker:/x": "./docker:/x", "docker://x": "docker://x", "oci:2.sif": "oci:2.sif", "x.sif": "x.sif", "y.sif": "y.sif",
	} {
		if got := Local(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOpenImage(t *testing.T) {
	for path, want := range map[string]string{
		"/no/such/image": "spelling", "oci:/no/layout:tag": "sealift build image.sif oci:/no/layout:tag",
		"docker://alpine": "sealift pull image.sif docker://alpine", "no:such": "spelling",
		"/dev/null/x": "check the path",
	} {
		if _, err := Open(path, image.Options{}); err == nil || !strings.Contains(hint.Of(err), want) {
			t.Errorf("%s: %v, hint %q", path, err, hint.Of(err))
		}
	}
}
