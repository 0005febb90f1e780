package pushes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
)

// The schemes of names.
const (
	schemeORAS    = "oras"
	schemeDocker  = "docker"
	schemeLibrary = "library"
)

// flags are those of every command here.
type flags struct {
	remotes remotes.Flags
	library endpoints.Library
}

func (f *flags) add(flags *pflag.FlagSet) {
	f.remotes.AddRegistry(flags)
	f.remotes.AddCredentials(flags)
	f.library.Add(flags)
}

// target is an image in a registry or a library.
type target struct {
	scheme  string
	image   registry.Reference // unless the scheme is that of libraries
	library library.Reference
}

// parseTarget reads the name of an image, of one of some schemes. What is to be
// done with it is for the error.
func parseTarget(text, what string, schemes ...string) (t target, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !slices.Contains(schemes, scheme) {
		return t, hint.New(fmt.Sprintf("%q is not the name of an image to %s", text, what), "begin it with %s://", strings.Join(schemes, ":// or "))
	}
	if t.scheme = scheme; scheme == schemeLibrary {
		t.library, err = library.ParseReference(text)
	} else {
		t.image, err = registry.ParseReference(rest)
	}
	return t, err
}

// String returns the name with everything spelled out.
func (t target) String() string {
	if t.scheme == schemeLibrary {
		return t.library.String()
	}
	return t.scheme + "://" + t.image.String()
}

// exactly wants n operands.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		return errors.Join(ui.AtLeast(n)(c, args), ui.AtMost(n)(c, args))
	}
}
