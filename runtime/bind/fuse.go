package bind

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Fuse is a FUSE file system that a program serves.
type Fuse struct {
	// Container says that the program is one of the container, not of the host, and
	// Daemon that it goes to the background by itself.
	Container, Daemon bool
	// Program is its command line, without the mount point.
	Program []string
	// Target is a path in the container.
	Target string
}

// ParseFuse reads values of --fusemount: TYPE:PROGRAM [ARG...] TARGET, in words
// separated by white space. There are no quotes, as the peers have none.
func ParseFuse(values []string) ([]Fuse, error) {
	var mounts []Fuse
	for _, value := range values {
		const form = "write it as 'host:PROGRAM ARGUMENTS /MOUNTPOINT'; the types are container, host, container-daemon and host-daemon"
		kind, rest, _ := strings.Cut(strings.TrimSpace(value), ":")
		words := strings.Fields(rest)
		place, daemon := strings.CutSuffix(kind, "-daemon")
		if place != "container" && place != "host" {
			return nil, hint.New(fmt.Sprintf("--fusemount %q: %q is no type of mount", value, kind), form)
		}
		if len(words) < 2 || strings.HasPrefix(rest, " ") {
			return nil, hint.New(fmt.Sprintf("--fusemount %q: it has no program or no mount point", value), form)
		}
		last := len(words) - 1
		if err := CheckTarget("--fusemount: mount point", words[last]); err != nil {
			return nil, err
		}
		mounts = append(mounts, Fuse{place == "container", daemon, words[:last], words[last]})
	}
	return mounts, nil
}
