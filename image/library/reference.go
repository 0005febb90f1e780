package library

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Reference names images of a container in a library.
type Reference struct {
	// Host is the host[:port] of the library, empty for the usual one.
	Host string
	// Path is ENTITY/COLLECTION/CONTAINER, or a short form of one or two parts
	// for what the library itself publishes.
	Path string
	// Tags has at least one. A tag may be "sha256." and 64 hexadecimal digits,
	// the image's digest, or the "sif." and UUID of old ones.
	Tags []string
}

// What the library's own clients accept in a name.
var (
	namePart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9]+([._-]+[a-zA-Z0-9]+)*$`) })
	hostPart = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$`)
	})
	digest = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256\.[0-9a-f]{64}$`) })
)

// ParseReference reads "[library://][HOST[:PORT]/]PATH[:TAG[,TAG...]]". As
// Apptainer has it, a host is there if the whole has four parts; "///PATH" has
// none. A digest may be written as "sha256:" too. Without a tag it is "latest".
func ParseReference(s string) (Reference, error) {
	text := strings.TrimPrefix(s, "library:")
	text, relative := strings.CutPrefix(strings.TrimPrefix(text, "//"), "/")
	var r Reference
	if !relative && strings.Count(text, "/") > 2 {
		r.Host, text, _ = strings.Cut(text, "/")
		if !hostPart().MatchString(r.Host) {
			return Reference{}, badReference(text, errors.New("what is before it is not a host"))
		}
	}
	path, tags, tagged := strings.Cut(text, ":")
	if tags = strings.ReplaceAll(tags, "sha256:", "sha256."); !tagged {
		tags = "latest"
	}
	r.Path, r.Tags = path, strings.Split(tags, ",")
	parts := strings.Split(path, "/")
	if len(parts) > 3 {
		return Reference{}, badReference(text, errors.New("its path has more than three parts"))
	}
	for _, part := range slices.Concat(parts, r.Tags) {
		if !namePart().MatchString(part) {
			return Reference{}, badReference(text, fmt.Errorf("%.80q is not a name", part))
		}
	}
	return r, nil
}

func badReference(s string, err error) error {
	return hint.Wrap(fmt.Errorf("%q does not name an image of a library: %w", s, err),
		"write library://[HOST/]ENTITY/COLLECTION/CONTAINER[:TAG]")
}

// Digest returns the digest of the image as "sha256:" and 64 hexadecimal
// digits, or nothing where only the library knows it.
func (r Reference) Digest() string {
	if len(r.Tags) == 1 && digest().MatchString(r.Tags[0]) {
		return strings.Replace(r.Tags[0], ".", ":", 1)
	}
	return ""
}

// String returns what ParseReference reads, with everything spelled out.
func (r Reference) String() string {
	host := r.Host
	if host != "" {
		host += "/"
	}
	return "library://" + host + r.Path + ":" + strings.Join(r.Tags, ",")
}

// image is what names one image in requests.
func (r Reference) image() (string, error) {
	if len(r.Tags) != 1 {
		return "", hint.New(fmt.Sprintf("%s names %d images", r, len(r.Tags)), "name one tag")
	}
	return r.Path + ":" + r.Tags[0], nil
}
