package actions

import (
	"path"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/starter/plan"
)

// warmBytes is how much of each file is decoded in advance.
const warmBytes = 2 << 20

// warm reads what is about to be asked for while the starter still mounts. It
// only fills caches, so whatever goes wrong here shows when the program runs.
func warm(img *image.File, p plan.Process) {
	_ = img.Prefetch()
	img.DecodeProgram(candidates(p), warmBytes)
}

// candidates are the places where the starter will look for the program.
func candidates(p plan.Process) []string {
	if strings.Contains(p.Args[0], "/") {
		return p.Args[:1]
	}
	var names []string
	for _, kv := range p.Env {
		if dirs, ok := strings.CutPrefix(kv, "PATH="); ok {
			for dir := range strings.SplitSeq(dirs, ":") {
				names = append(names, path.Join(dir, p.Args[0]))
			}
		}
	}
	return names
}
