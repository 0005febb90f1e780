package sbom

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sandbox"
)

var update = flag.Bool("update", false, "rewrite the expected document in testdata")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const spdx = `{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0", "documentNamespace": "https://x/y", "creationInfo": {}}`

func TestDetect(t *testing.T) {
	for _, c := range []struct{ text, format, want string }{
		{spdx, "", SPDX},
		{spdx, SPDX, SPDX},
		{`{"bomFormat": "CycloneDX", "specVersion": "1.6"}`, "", CycloneDX},
		{`{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}`, "", SPDX},
	} {
		if got, err := Detect([]byte(c.text), c.format); got != c.want || err != nil {
			t.Errorf("%s: %s %v", c.text, got, err)
		}
	}
	for _, c := range []struct{ text, format, want string }{
		{spdx, CycloneDX, "it is spdx-json, not cyclonedx-json"},
		{spdx, "spdx-rdf", `"spdx-rdf" is no format that is checked`},
		{"SPDXVersion: SPDX-2.3", "", "it is not JSON"},
		{"[]", "", "it is not JSON"},
		{"{}", "", "it is neither SPDX nor CycloneDX"},
		{`{"bomFormat": "CycloneDX", "specVersion": "9"}`, "", `its CycloneDX version is "9"`},
		{strings.Replace(spdx, "SPDX-2.3", "SPDX-9", 1), "", `its SPDX version is "SPDX-9"`},
		{strings.Replace(spdx, "SPDXRef-DOCUMENT", "x", 1), "", "SPDXID is missing or wrong"},
		{strings.Replace(spdx, "CC0-1.0", "", 1), "", "dataLicense is missing"},
		{strings.Replace(spdx, "https://x/y", "", 1), "", "documentNamespace is missing"},
		{strings.Replace(spdx, "creationInfo", "x", 1), "", "creationInfo is missing"},
	} {
		if got, err := Detect([]byte(c.text), c.format); err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%s: %s %v, want %s", c.text, got, err, c.want)
		}
	}
}

const (
	dpkg = `Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Description: GNU C Library
 Package: not-a-package
Conffiles:
 /etc/ld.so.conf.d/x.conf 0123

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u4

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: bsdutils
Status: install ok installed
Architecture: amd64
Version: 1:2.38~rc1-5
`
	apk = `C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
o:musl
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r29
A:x86_64

P:broken
`
)

// tree writes files, and opens them as an image's.
func tree(t *testing.T, files map[string]string) *Packages {
	t.Helper()
	p, err := list(t, files)
	must(t, err)
	return p
}

func list(t *testing.T, files map[string]string) (*Packages, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			must(t, os.Symlink(target, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	f, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return List(sandbox.FS(f))
}

const debian = "PRETTY_NAME=\"Debian 12\"\nID=debian\nVERSION_ID=\"12\"\n"

// What the package managers have is listed, as SPDX has it.
func TestDocument(t *testing.T) {
	p := tree(t, map[string]string{
		"var/lib/dpkg/status": dpkg, "usr/lib/os-release": debian, "etc/os-release": "-> ../usr/lib/os-release",
		"var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a\nArchitecture: all\n", "var/lib/dpkg/status.d/tzdata.md5sums": "0123  x\n",
		"lib/apk/db/installed": apk, "usr/lib/apk/db/installed": apk, "var/lib/rpm/rpmdb.sqlite": "x",
	})
	s := Subject{Digest: strings.Repeat("ab", 32), Version: "1.2.3", Time: time.Unix(1700000000, 0)}
	got, err := p.Document(s)
	must(t, err)
	want, err := os.ReadFile("testdata/packages.spdx.json")
	if *update {
		want, err = got, os.WriteFile("testdata/packages.spdx.json", got, 0o644)
	}
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s", got)
	}
	if format, err := Detect(got, SPDX); err != nil || format != SPDX {
		t.Errorf("it is no SPDX: %v", err)
	}
	var d document
	must(t, json.Unmarshal(got, &d))
	ids := map[string]bool{}
	for _, x := range d.Packages {
		if ids[x.SPDXID] {
			t.Errorf("two packages are called %s", x.SPDXID)
		}
		ids[x.SPDXID] = true
	}
	for _, r := range d.Relationships {
		if !ids[r.Related] {
			t.Errorf("%v is about nothing", r)
		}
	}
}

// Without os-release, and with names that are no identifiers.
func TestDocumentPlain(t *testing.T) {
	p := tree(t, map[string]string{"usr/lib/apk/db/installed": "P:a+b\nV:1\nA:x\n\nP:a_b\nV:2\nA:x\n"})
	got, err := p.Document(Subject{})
	must(t, err)
	for _, want := range []string{
		`"SPDXRef-Package-apk-a-b-x"`, `"SPDXRef-Package-apk-a-b-x..2"`, `"pkg:apk/alpine/a%2Bb@1?arch=x"`, `"pkg:apk/alpine/a_b@2?arch=x"`,
		"lists the 2 packages that /usr/lib/apk/db/installed name",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s:\n%s", want, got)
		}
	}
}

func TestListRefuses(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"etc/passwd": "x"}, "no package list of dpkg or apk"},
		{map[string]string{"usr/lib/sysimage/rpm/rpmdb.sqlite": "x"}, "one that is not read, /usr/lib/sysimage/rpm"},
	} {
		if _, err := list(t, c.files); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), "--sbom FILE") {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := list(t, map[string]string{"var/lib/dpkg/status/x": "a directory"}); err == nil {
		t.Error("a database that is a directory is read")
	}
	var many strings.Builder
	for range maxPackages + 1 {
		many.WriteString("P:a\nV:1\n\n")
	}
	if _, err := list(t, map[string]string{"lib/apk/db/installed": many.String()}); err == nil || !strings.Contains(err.Error(), "more than 100000 packages") {
		t.Errorf("too many: %v", err)
	}
}
