package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/failure"
)

// FindStarter returns the path of the starter, for the running program executable
// (buildcfg.Dirs). What is found here gets the capabilities of a new user namespace.
func FindStarter(executable string) (string, error) {
	var errs []error
	for _, dir := range buildcfg.Dirs(executable) {
		path := filepath.Join(dir, buildcfg.StarterName)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
			errs = append(errs, fmt.Errorf("%s: not an executable file", path))
		default:
			return path, nil
		}
	}
	err := fmt.Errorf("find the starter: %w", errors.Join(errs...))
	return "", failure.Of(hint.Wrap(err, "install %s beside the sealift program", buildcfg.StarterName))
}
