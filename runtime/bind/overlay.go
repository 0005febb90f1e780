package bind

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Overlay is something to be laid over an image.
type Overlay struct {
	Path string // absolute
	// ReadOnly says that nothing is to be written to it.
	ReadOnly bool
}

// ParseOverlays reads values of --overlay: PATH[:ro], with a backslash before a
// literal colon. A relative path is one in the directory cwd.
func ParseOverlays(values []string, cwd string) ([]Overlay, error) {
	var overlays []Overlay
	for _, value := range values {
		fields := splitEscaped(value, ':')
		readOnly := len(fields) == 2 && fields[1] == "ro"
		if fields[0] == "" || len(fields) > 1 && !readOnly {
			return nil, hint.New(fmt.Sprintf("--overlay %s: it is not PATH or PATH:ro", value), "write a backslash before a colon in the path")
		}
		overlays = append(overlays, Overlay{Absolute(unescape(fields[0]), cwd), readOnly})
	}
	return overlays, nil
}
