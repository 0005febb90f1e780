package builds

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build/attach"
)

// attachedFlags say what is recorded in the image.
type attachedFlags struct {
	sbom string
	what attach.What
}

func (a *attachedFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&a.sbom, "sbom", "",
		"record a list of what is in the image: `FILE[:FORMAT]`, SPDX or CycloneDX in JSON, or auto for one of the packages of dpkg and apk")
	ui.Bind(flags, "sbom", "SBOM")
	flags.BoolVar(&a.what.Provenance, "provenance", true, "record how the image was made: the recipe's digest, what was read from elsewhere, the names of build arguments")
	ui.Bind(flags, "provenance", "PROVENANCE")
}

// settle reads the SBOM, so that a build fails at once that cannot have it.
func (a *attachedFlags) settle(sandbox bool) error {
	switch {
	case sandbox && a.sbom != "":
		return hint.New("--sbom: a directory has no place for an SBOM", "build a SIF file, or leave --sbom out")
	case sandbox:
		a.what.Provenance = false
	case a.sbom != "":
		return a.what.ParseSBOM(a.sbom, readSBOM)
	}
	return nil
}

// readSBOM reads a regular file of at most limit bytes.
func readSBOM(path string, limit int64) (text []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = fmt.Errorf("%s is no regular file", path)
	case st.Size() > limit:
		err = fmt.Errorf("%s has %d bytes; the limit is %d", path, st.Size(), limit)
	default:
		text, err = io.ReadAll(io.LimitReader(f, limit))
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return text, err
}
