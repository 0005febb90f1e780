package images

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
)

// Open opens an image for a command that takes files and directories.
func Open(path string, o image.Options) (*image.File, error) {
	img, err := image.Open(path, o)
	scheme, _, named := strings.Cut(path, ":")
	switch {
	case err != nil && hint.Of(err) == "":
		return nil, hint.Wrap(err, "check the path")
	case !named || !errors.Is(err, fs.ErrNotExist):
		return img, err
	case slices.Contains([]string{"oci", "oci-archive", "docker-archive"}, scheme):
		return nil, hint.Wrap(err, "make a file of it first: sealift build image.sif %s", path)
	case strings.HasPrefix(path, scheme+"://"):
		return nil, hint.Wrap(err, "make a file of it first: sealift pull image.sif %s", path)
	}
	return nil, err
}
