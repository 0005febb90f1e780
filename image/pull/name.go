package pull

import (
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/metadata"
)

// Title is how messages and the container name a source: without what may be a
// password, which a user in it has, or the query of an address.
func Title(source string) string {
	if scheme, _, _ := strings.Cut(source, ":"); scheme == "http" || scheme == "https" {
		source, _, _ = strings.Cut(source, "?")
	}
	return metadata.WithoutUser(source)
}

// FileName returns the name that the file of an image gets if the user gives
// none: NAME_TAG.sif, or the last part of an http address.
func FileName(source string) (string, error) {
	scheme, rest, _ := strings.Cut(source, ":")
	if scheme == "http" || scheme == "https" {
		rest, _, _ = strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		_, inHost, _ := strings.Cut(rest, "/")
		return fileName(path.Base("/"+inHost), source)
	}
	last, digest, _ := strings.Cut(path.Base(rest), "@")
	name, tag, _ := strings.Cut(last, ":")
	if tag, _, _ = strings.Cut(tag, ","); tag == "" {
		tag = "latest"
		if digest != "" {
			tag = strings.NewReplacer(":", "_").Replace(digest)
		}
	}
	if name == "" {
		return fileName("", source)
	}
	return fileName(name+"_"+tag+".sif", source)
}

// fileName refuses what is not the name of a file.
func fileName(name, source string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", hint.New(Title(source)+" gives the file no name", "name the file before the image: sealift pull FILE %s", Title(source))
	}
	return name, nil
}
