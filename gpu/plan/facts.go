package plan

import (
	"fmt"
	"io/fs"
	"path"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/library"
)

// Facts are what is known of libraries of the host, by their paths.
type Facts map[string]Fact

// Fact is what is known of a file as long as it has this stamp.
type Fact struct {
	Stamp   string
	Library *library.Library
}

// Look reads the libraries of a specification, which takes longer than anything else of
// a plan does. What cannot be read is not in the result.
func Look(spec *specs.Spec, host fs.FS) Facts {
	facts := Facts{}
	for _, m := range spec.ContainerEdits.Mounts {
		c := candidate{Bind: Bind{Source: path.Clean(m.HostPath)}}
		if !isLibrary(path.Base(m.ContainerPath)) {
			continue
		}
		if stamp := c.read(host, nil); c.err == nil {
			c.Defines = nil // nobody asks a driver for them
			facts[c.Source] = Fact{stamp, c.Library}
		}
	}
	return facts
}

// stamp tells versions of a file apart.
func stamp(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
}
