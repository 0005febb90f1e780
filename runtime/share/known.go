package share

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sealift/sealift/starter/plan"
)

// Known has the kernel know the mount points of containers like p, in the image that the
// holder pid has mounted in dir, before many tasks look for the same ones at once: since
// version 6.16 Linux may take a name of a FUSE file system that one process has just found
// for outdated when another one finds it, too, and forgets it and what is mounted there.
// What is not there is left to who wants it.
func Known(pid int, p *plan.Plan, dir string) error {
	n := 0
	for _, op := range p.Ops {
		if op.Verb != plan.Fuse {
			continue
		}
		if op.Args[0] != "/" && op.Args[0] != "@root" {
			n++
			continue
		}
		root, err := os.OpenRoot(filepath.Join("/proc", strconv.Itoa(pid), "root", dir, held(n)[1:]))
		if err != nil {
			return fmt.Errorf("look at the image: %w", err)
		}
		defer root.Close()
		for _, target := range mountPoints(p) {
			_, _ = root.Stat(target)
		}
		return nil
	}
	return nil
}

// mountPoints returns the paths in the image on which p mounts something, relative to its
// root directory.
func mountPoints(p *plan.Plan) (names []string) {
	for _, op := range p.Ops {
		at := ""
		switch op.Verb {
		case plan.Bind, plan.Mount:
			at = op.Args[1]
		case plan.Overlay, plan.Fuse:
			at = op.Args[0]
		}
		if rest, ok := strings.CutPrefix(path.Clean(at), "/"); ok && rest != "" {
			names = append(names, rest)
		}
	}
	return names
}
