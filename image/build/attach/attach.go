// Package attach has a build record in the image what it is made of: an SBOM, and
// the provenance.
//
// Input: a build whose image is written. Output: objects of it, in the group of its
// file system, so that its signature covers them. They are of the file system as it
// is in the file: what it holds does not change any more.
package attach

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs"
)

// maxRecipe bounds the text of a recipe in bytes.
const maxRecipe = 64 << 20

// Auto is the name of the SBOM that is made of the image's package lists.
const Auto = "auto"

// What is what is recorded.
type What struct {
	// Provenance says so.
	Provenance bool
	// Auto makes an SBOM of the image's package lists; SBOM, unless nil, is one that is
	// there, in a format of package sbom.
	Auto   bool
	SBOM   []byte
	Format string
}

// Nothing says that nothing is.
func (w What) Nothing() bool { return !w.Provenance && !w.Auto && w.SBOM == nil }

// ParseSBOM takes a document whose file is FILE or FILE:FORMAT, or makes one if that
// is Auto. Read reads a file of at most limit bytes.
func (w *What) ParseSBOM(name string, read func(path string, limit int64) ([]byte, error)) error {
	if name == Auto {
		w.Auto = true
		return nil
	}
	path, format := name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.Contains(name[i:], "/") {
		path, format = name[:i], name[i+1:]
	}
	text, err := read(path, sbom.MaxSize)
	if err != nil {
		return hint.Wrap(fmt.Errorf("--sbom: %w", err), "name a file, FILE:FORMAT, or auto")
	}
	if w.Format, err = sbom.Detect(text, format); err != nil {
		return fmt.Errorf("--sbom %s: %w", path, err)
	}
	w.SBOM = text
	return nil
}

// Before has the last step of a build, which gives the output its name, record it
// first.
func Before(steps []build.Step, w What) []build.Step {
	if w.Nothing() || len(steps) == 0 {
		return steps
	}
	last := len(steps) - 1
	return append(slices.Clone(steps[:last]), step{steps[last], w})
}

type step struct {
	build.Step
	what What
}

// String tells of what somebody asked for.
func (s step) String() string {
	switch {
	case s.what.Auto:
		return "record an SBOM of the packages, " + s.Step.String()
	case s.what.SBOM != nil:
		return fmt.Sprintf("record the SBOM in %s, %v", s.what.Format, s.Step)
	}
	return s.Step.String()
}

func (s step) Run(ctx context.Context, b *build.Build) error {
	if err := s.record(ctx, b); err != nil {
		return fmt.Errorf("record what the image is made of: %w", err)
	}
	return s.Step.Run(ctx, b)
}

func (s step) record(ctx context.Context, b *build.Build) error {
	f := b.Image()
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	o, ok := img.PrimaryObject()
	if !ok {
		return fmt.Errorf("the image has no primary partition")
	}
	digest := ""
	if s.what.Provenance || s.what.Auto {
		if digest, err = provenance.Digest(ctx, img.Section(o)); err != nil {
			return err
		}
	}
	var objects []sif.NewObject
	add := func(x sif.NewObject, text []byte) {
		x.Group, x.Data = o.Group, bytes.NewReader(text)
		objects = append(objects, x)
	}
	if s.what.Auto || s.what.SBOM != nil {
		text, format, err := s.sbom(b, img, digest)
		if err != nil {
			return err
		}
		add(sif.NewObject{Type: sif.SBOM, SBOM: format, Name: "sbom." + format}, text)
	}
	if s.what.Provenance {
		text, err := s.provenance(ctx, b, img, digest)
		if err != nil {
			return err
		}
		add(sif.NewObject{Type: sif.JSON, Name: provenance.ObjectName}, text)
	}
	return sif.Extend(ctx, f, b.Now, objects...)
}

// sbom returns the document and its format.
func (s step) sbom(b *build.Build, img *sif.Image, digest string) ([]byte, string, error) {
	if !s.what.Auto {
		return s.what.SBOM, s.what.Format, nil
	}
	p, err := img.Primary()
	if err != nil {
		return nil, "", err
	}
	if p.FS != "squashfs" {
		return nil, "", hint.New("the packages of an encrypted image cannot be listed", "give a document: --sbom FILE")
	}
	r, err := squashfs.Open(io.NewSectionReader(b.Image(), p.Offset, p.Size), p.Size, squashfs.Options{})
	if err != nil {
		return nil, "", err
	}
	packages, err := sbom.List(r.FS())
	if err != nil {
		return nil, "", err
	}
	for _, name := range packages.Other {
		b.Warning("the SBOM lacks the packages in %s", name)
	}
	b.Notice("the SBOM lists %d packages of %s", len(packages.List), strings.Join(packages.Read, ", "))
	text, err := packages.Document(sbom.Subject{Digest: digest, Version: b.Host.Version, Time: b.Now})
	return text, sbom.SPDX, err
}

// provenance returns the statement.
func (s step) provenance(ctx context.Context, b *build.Build, img *sif.Image, digest string) ([]byte, error) {
	told := provenance.Build{
		Partition: digest, Arch: img.Arch(), Version: b.Host.Version,
		Arguments: slices.Collect(maps.Keys(b.Options.Arguments)),
	}
	if !b.Options.Reproducible {
		told.Time = b.Now
	}
	if o, ok := img.Find(sif.Deffile, ""); ok {
		text, err := img.Read(o, maxRecipe)
		if err != nil {
			return nil, err
		}
		told.Recipe = text
	}
	for _, source := range b.Sources {
		d := provenance.Dependency{URI: source.Public()}
		if source.Digest != nil {
			var err error
			if d.Digest, err = source.Digest(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", d.URI, err)
			}
		}
		told.Dependencies = append(told.Dependencies, d)
	}
	return provenance.Statement(told)
}
