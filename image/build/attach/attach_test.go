package attach

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/fromdef"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/sif"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a directory to build in, with a base that has packages.
type site struct {
	dir      string
	warnings []string
}

func newSite(t *testing.T) *site {
	s := &site{dir: t.TempDir()}
	s.write(t, "base/var/lib/dpkg/status", "Package: libc6\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n")
	s.write(t, "base/var/lib/rpm/db", "x")
	return s
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
	must(t, os.Chtimes(path, time.Unix(1000, 0), time.Unix(1000, 0)))
}

// build builds a recipe, whose build argument is secret.
func (s *site) build(t *testing.T, recipe string, w What, o build.Options) error {
	t.Helper()
	o.Output, o.Arguments, o.Force = "out.sif", map[string]string{"token": "secret"}, true
	r, err := definition.Parse("x.def", []byte(recipe))
	must(t, err)
	e := build.Environment{
		Host: build.Host{Arch: "amd64", Dir: s.dir, Version: "1.2"}, Now: time.Unix(1700000000, 0), Fixed: true,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Stdout: io.Discard, Stderr: io.Discard,
		Warn: func(line string) { s.warnings = append(s.warnings, line) },
	}
	steps, err := fromdef.Compute(r, e.Host, o)
	must(t, err)
	return build.Run(t.Context(), Before(steps, w), o, e)
}

const recipe = "Bootstrap: localimage\nFrom: base\n%arguments\n token=none\n%labels\n Token {{ token }}\n"

// opened returns the image that was built, and its bytes.
func (s *site) opened(t *testing.T) (*sif.Image, []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "out.sif"))
	must(t, err)
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	return img, b
}

// text returns what the only object of a type and name holds, which must be in the
// group of the partition.
func text(t *testing.T, img *sif.Image, kind sif.Type, name string) string {
	t.Helper()
	o, ok := img.Find(kind, name)
	primary, _ := img.PrimaryObject()
	if !ok || o.Group != primary.Group || o.Group == 0 || o.Created != 1700000000 {
		t.Fatalf("%s: %+v", name, o)
	}
	b, err := img.Read(o, 1<<20)
	must(t, err)
	return string(b)
}

type statement struct {
	Subject   []struct{ Digest map[string]string }
	Predicate struct {
		BuildDefinition struct {
			ExternalParameters struct {
				Recipe         struct{ Digest map[string]string }
				BuildArguments []string
			}
			ResolvedDependencies []struct {
				URI    string
				Digest map[string]string
			}
		}
		RunDetails struct{ Metadata map[string]string }
	}
}

// The documents are about the partition as it is in the file.
func TestBuild(t *testing.T) {
	s := newSite(t)
	must(t, s.build(t, recipe, What{Provenance: true, Auto: true}, build.Options{}))
	img, b := s.opened(t)
	o, _ := img.PrimaryObject()
	want := fmt.Sprintf("%x", sha256.Sum256(b[o.Offset:o.Offset+o.Size]))
	told := text(t, img, sif.JSON, provenance.ObjectName)
	var x statement
	must(t, json.Unmarshal([]byte(told), &x))
	parameters, dependencies := x.Predicate.BuildDefinition.ExternalParameters, x.Predicate.BuildDefinition.ResolvedDependencies
	deffile, err := img.Read(img.Objects()[0], 1000)
	must(t, err)
	if x.Subject[0].Digest["sha256"] != want || parameters.Recipe.Digest["sha256"] != fmt.Sprintf("%x", sha256.Sum256(deffile)) ||
		!slices.Equal(parameters.BuildArguments, []string{"token"}) || len(dependencies) != 1 || dependencies[0].URI != "localimage:base" ||
		x.Predicate.RunDetails.Metadata["startedOn"] != "2023-11-14T22:13:20Z" || strings.Contains(told, "secret") {
		t.Errorf("partition %s:\n%s", want, told)
	}
	bom := text(t, img, sif.SBOM, "sbom.spdx-json")
	listed, _ := img.Find(sif.SBOM, "sbom.spdx-json")
	if !strings.Contains(bom, `"pkg:deb/debian/libc6@1?arch=amd64"`) || !strings.Contains(bom, want) || listed.Details()[0].Value != "spdx-json" {
		t.Errorf("%v\n%s", img.Objects(), bom)
	}
	if len(s.warnings) != 1 || !strings.Contains(s.warnings[0], "/var/lib/rpm") {
		t.Errorf("warnings %q", s.warnings)
	}
	// An image that is made of this one names it by its digest.
	must(t, os.Rename(filepath.Join(s.dir, "out.sif"), filepath.Join(s.dir, "first.sif")))
	must(t, s.build(t, strings.Replace(recipe, "From: base", "From: first.sif", 1), What{Provenance: true}, build.Options{}))
	img, _ = s.opened(t)
	x = statement{}
	must(t, json.Unmarshal([]byte(text(t, img, sif.JSON, provenance.ObjectName)), &x))
	if d := x.Predicate.BuildDefinition.ResolvedDependencies; len(d) != 1 || d[0].URI != "localimage:first.sif" || d[0].Digest["sha256"] != fmt.Sprintf("%x", sha256.Sum256(b)) {
		t.Errorf("dependencies %+v", d)
	}
}

// Two builds of the same are the same, and do not tell when they were made.
func TestReproducible(t *testing.T) {
	var built [][]byte
	for range 2 {
		s := newSite(t)
		must(t, s.build(t, recipe, What{Provenance: true, Auto: true}, build.Options{Reproducible: true}))
		img, b := s.opened(t)
		if strings.Contains(text(t, img, sif.JSON, provenance.ObjectName), "startedOn") {
			t.Error("the time is told")
		}
		built = append(built, b)
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Error("the images differ")
	}
}

const given = `{"bomFormat": "CycloneDX", "specVersion": "1.6"}`

func TestGiven(t *testing.T) {
	s := newSite(t)
	must(t, s.build(t, recipe, What{SBOM: []byte(given), Format: sbom.CycloneDX}, build.Options{}))
	img, _ := s.opened(t)
	if got := text(t, img, sif.SBOM, "sbom.cyclonedx-json"); got != given {
		t.Error(got)
	}
	if _, ok := img.Find(sif.JSON, provenance.ObjectName); ok {
		t.Error("there is a provenance")
	}
}

// A build that cannot have its SBOM makes no image.
func TestRefused(t *testing.T) {
	s := newSite(t)
	s.write(t, "base/none", "x")
	must(t, os.RemoveAll(filepath.Join(s.dir, "base/var")))
	err := s.build(t, recipe, What{Auto: true}, build.Options{})
	if err == nil || !strings.Contains(err.Error(), "no package list") || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "out.sif")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is an image: %v", err)
	}
}

func TestParseSBOM(t *testing.T) {
	var asked string
	read := func(path string, _ int64) ([]byte, error) {
		asked = path
		if path == "none" {
			return nil, os.ErrNotExist
		}
		return []byte(given), nil
	}
	for name, path := range map[string]string{
		"bom.json": "bom.json", "bom.json:cyclonedx-json": "bom.json", "a:b/bom.json": "a:b/bom.json", "a:b/c:cyclonedx-json": "a:b/c",
	} {
		var w What
		if err := w.ParseSBOM(name, read); err != nil || asked != path || w.Format != sbom.CycloneDX || w.Nothing() {
			t.Errorf("%s: %v, file %s", name, err, asked)
		}
	}
	for _, name := range []string{"none", "bom:spdx-json", "bom:text"} {
		var w What
		if err := w.ParseSBOM(name, read); err == nil || hint.Of(err) == "" || !w.Nothing() {
			t.Errorf("%s: %v", name, err)
		}
	}
	var w What
	if err := w.ParseSBOM("auto", read); err != nil || !w.Auto {
		t.Errorf("%v", err)
	}
}

type plain struct{}

func (plain) String() string                          { return "plain" }
func (plain) Name() string                            { return "plain" }
func (plain) Run(context.Context, *build.Build) error { return nil }

func TestBefore(t *testing.T) {
	for want, w := range map[string]What{
		"plain plain": {Provenance: true},
		"plain record an SBOM of the packages, plain": {Provenance: true, Auto: true},
		"plain record the SBOM in spdx-json, plain":   {SBOM: []byte("{}"), Format: "spdx-json"},
	} {
		before := []build.Step{plain{}, plain{}}
		got := Before(before, w)
		if text := got[0].String() + " " + got[1].String(); text != want || got[1].Name() != "plain" || before[1] != build.Step(plain{}) {
			t.Errorf("%q, want %q", text, want)
		}
	}
	if Before(nil, What{Auto: true}) != nil || Before([]build.Step{plain{}}, What{})[0] != build.Step(plain{}) {
		t.Error("there is something to record")
	}
}
