package environ

import (
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/view"
)

// Scripts lists the image's environment scripts in the order of their names. An
// image of old has a single one.
func Scripts(v *view.View) ([]string, error) {
	const dir = "/.singularity.d/env"
	if mode, found := v.Stat(dir); !found || !mode.IsDir() {
		if v.IsFile(OldScript) {
			return []string{OldScript}, nil
		}
		return nil, nil
	}
	names, err := v.Names(dir)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("list %s of the image: %w", dir, err), "the image is damaged: build or pull it again")
	}
	var scripts []string
	for _, name := range names {
		file := path.Join(dir, name)
		if strings.HasSuffix(name, ".sh") && !strings.HasPrefix(name, ".") && v.IsFile(file) {
			scripts = append(scripts, file)
		}
	}
	return scripts, nil
}
