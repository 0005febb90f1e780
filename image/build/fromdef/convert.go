package fromdef

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/bootstrap"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/oci"
)

// RecipeFor returns the recipe that just converts a source: an image that
// oci.ParseReference names, or a SIF file, SquashFS image or directory.
func RecipeFor(source string) (*definition.Recipe, error) {
	agent, from, err := bootstrap.Split(source)
	if err != nil {
		return nil, err
	}
	if address, err := url.Parse(source); strings.HasPrefix(agent, "http") && (err != nil || address.User != nil || address.RawQuery != "") {
		return nil, hint.New("build from an address with what may be a secret: the image keeps what it was built from",
			"get it first: sealift pull FILE ADDRESS")
	}
	text := fmt.Sprintf("Bootstrap: %s\nFrom: %s\n", agent, from)
	r, err := definition.Parse(source, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("build from %q: %w", source, err)
	}
	if h, _ := r.Stages[0].Header("from"); h.Value != from || len(r.Stages[0].Headers) != 2 {
		return nil, fmt.Errorf("build from %q: the name cannot be written in a definition; rename or link it", source)
	}
	return r, nil
}

// Convert returns the steps that just convert a source, as RecipeFor has it. img,
// if not nil, is that source, open; it stays so.
func Convert(source string, img *oci.Image, h build.Host, o build.Options) ([]build.Step, error) {
	r, err := RecipeFor(source)
	if err != nil {
		return nil, err
	}
	return computer{recipe: r, host: h, options: o, image: img, names: map[string]int{}}.compute()
}
