package network

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxHostname is the kernel's bound (HOST_NAME_MAX), in bytes.
const maxHostname = 64

// CheckHostname refuses what cannot be a host's name. None is none.
func CheckHostname(name string) error {
	switch {
	case len(name) > maxHostname:
		return hint.New(fmt.Sprintf("--hostname %s is too long", name), "use at most %d bytes", maxHostname)
	case name != "" && !isHostname(name):
		return hint.New(fmt.Sprintf("--hostname %q is not a host name", name), "use letters, digits, hyphens and dots, as hostname(7) says")
	}
	return nil
}

// isHostname tells whether name can be a host's (hostname(7)).
func isHostname(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}
