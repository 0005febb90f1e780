// Package paths is how commands take the names of images and files that are here.
//
// Input: names as users give them. Output: paths, and opened images.
package paths

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
)

// Local returns the path of a file or directory here whose name could be taken for
// TRANSPORT:REST, as "oci:1.sif" could; other names are returned as they are, and
// TRANSPORT://REST always is.
func Local(name string) string {
	scheme, rest, ok := strings.Cut(name, ":")
	if !ok || strings.Contains(scheme, "/") || strings.HasPrefix(rest, "//") {
		return name
	}
	if _, err := os.Stat(name); err != nil {
		return name
	}
	return "./" + name
}

// IsImage tells an image from a definition file: a source with a transport, a
// directory, or a file that begins as images do.
func IsImage(source string) bool {
	if scheme, _, ok := strings.Cut(source, ":"); ok && !strings.ContainsAny(scheme, "/.") {
		return true
	}
	info, err := os.Stat(source)
	return err == nil && (info.IsDir() || image.IsFile(source))
}

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
