package contents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/export"
)

// ExportOptions say what Export makes.
type ExportOptions struct {
	Changes
	// Compression is that of the layer.
	Compression compression.Choice
	// CreatedBy is what the image's history says about its making.
	CreatedBy string
}

// Export writes what the options select of the source to the sink, as an OCI
// image of one layer. Contents of layers come in an order of their own, so they
// are packed into an unnamed file in temp first; of any other source nothing is
// stored.
func (s *Source) Export(ctx context.Context, to export.Sink, temp string, o ExportOptions) (r export.Report, err error) {
	base, variant, err := s.config()
	if err != nil {
		return r, fmt.Errorf("%s: %w", s.name, err)
	}
	root, closer, err := s.Settled(ctx, temp, o.Selection)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	o.change(root)
	r, err = export.Image{
		Root: root, Base: base, Arch: s.archOr(o.Arch), Variant: variant,
		Created: o.Time, CreatedBy: o.CreatedBy, Compression: o.Compression,
	}.Write(ctx, to)
	s.warnings = append(s.warnings, r.Warnings()...)
	return r, err
}

// config returns how the OCI image that the source is, or was made from, is
// run, and the variant of the processor that it is for.
func (s *Source) config() (config []byte, variant string, err error) {
	if s.oci == nil {
		config, err := s.file.OCIConfig()
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return config, "", err
	}
	var raw struct{ Config json.RawMessage }
	err = json.Unmarshal(s.oci.RawConfig(), &raw)
	return raw.Config, s.oci.Config().Variant, err
}
