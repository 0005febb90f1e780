package sbom

import (
	"encoding/json"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
)

// packaged is an image of a few files, without links.
type packaged struct{ fstest.MapFS }

// ReadLink is fs.ReadLinkFS's.
func (packaged) ReadLink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

// FuzzList (F14): whatever the package databases and os-release of an image say,
// a document comes of it that is read as one of SPDX, with as many packages.
func FuzzList(f *testing.F) {
	const release = "NAME=\"Debian\"\nID=debian\nVERSION_ID='12'\n"
	f.Add(dpkg, "", release)
	f.Add("Package: a\nVersion: 1\nStatus: install ok installed\nSource: b (2)\n\nPackage: a\nVersion: 1\nStatus: install ok installed\n", "P:x\nV:1-r0\nA:x86_64\no:y\n\nP:x\nV:\n", "ID=\nID=al\x1b[0mpine\nVERSION_ID")
	f.Add("Package: a\nVersion: 1\n\nPackage: a\nVersion: 1\n\nPackage: a\nVersion: 1\nArchitecture: ..2\n\nPackage: a\nVersion: 1\n", "", "")
	f.Add("Package: \xff\nVersion: \x00\nStatus: install ok installed\n  :\n:\n", ":\n\n\nP:\n", "")
	f.Fuzz(func(t *testing.T, dpkg, apk, release string) {
		file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
		img := packaged{fstest.MapFS{dpkgStatus: file(dpkg), apkFiles[0]: file(apk), "etc/os-release": file(release)}}
		bounded.Do(t, func() {
			p, err := List(img)
			if err != nil {
				if hint.Of(err) == "" {
					t.Errorf("no remedy: %v", err)
				}
				return
			}
			text, err := p.Document(Subject{Digest: "x", Time: time.Unix(0, 0)})
			if err != nil {
				t.Fatal(err)
			}
			if format, err := Detect(text, ""); format != SPDX || err != nil {
				t.Errorf("%s, %v: %s", format, err, text)
			}
			var d struct{ Packages []struct{ SPDXID string } }
			if err := json.Unmarshal(text, &d); err != nil || len(d.Packages) != len(p.List)+1 {
				t.Errorf("%d of %d packages, %v", len(d.Packages), len(p.List), err)
			}
			ids := map[string]bool{}
			for _, x := range d.Packages {
				if ids[x.SPDXID] {
					t.Errorf("%q is there twice", x.SPDXID)
				}
				ids[x.SPDXID] = true
			}
		})
	})
}
